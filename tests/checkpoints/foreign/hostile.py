"""Files that attack whoever reads them as models. Those that run code would make the file ``executed``."""

import io
import json
import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

MARKER = Path("executed")


class RunsCode:
    """Makes a file when it is unpickled."""

    def __reduce__(self) -> tuple[object, ...]:
        return (Path(MARKER).touch, ())


def _saved(content: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


def _edited(data: bytes, compression: int = zipfile.ZIP_STORED, **parts: bytes) -> bytes:
    """Return a PyTorch checkpoint with other parts, written with a compression."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w", compression) as target:
        for name in source.namelist():
            target.writestr(name, parts.get(name.rpartition("/")[2].replace(".", "_"), source.read(name)))
        for name in parts.keys() - {name.rpartition("/")[2].replace(".", "_") for name in source.namelist()}:
            target.writestr(f"archive/{name}", parts[name])
    return buffer.getvalue()


def _with_header(header: bytes, length: int | None = None) -> bytes:
    return struct.pack("<Q", len(header) if length is None else length) + header


def _scripted() -> bytes:
    buffer = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.ReLU()), buffer)
    return buffer.getvalue()


def hostile_files() -> dict[str, bytes]:
    """Return the content of each hostile file by its name."""
    weights = {"model.1.weight": torch.zeros(2, 3, 7, 7), "model.10.conv_block.1.weight": torch.zeros(8, 8, 3, 3)}
    plain = _saved(weights)
    tensors = save(weights)
    huge = {"w": {"dtype": "F32", "shape": [2**40, 2**20], "data_offsets": [0, 2**62]}}
    outside = {"w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}
    bomb = zipfile.ZIP_DEFLATED
    return {
        "code.pth": _saved({**weights, "extra": RunsCode()}),
        "code-first.pth": _saved([RunsCode(), weights]),
        "code-legacy.pt": _saved({**weights, "extra": RunsCode()}, _use_new_zipfile_serialization=False),
        "code-plain.ckpt": pickle.dumps(RunsCode()),
        "code-protocol-0.bin": pickle.dumps(RunsCode(), protocol=0),
        "code-module.pth": _saved(torch.nn.Conv2d(1, 1, 1)),
        "code.safetensors": pickle.dumps(RunsCode()),
        "scripted.pt": _scripted(),
        "scripted-beside.pth": _edited(plain, constants_pkl=pickle.dumps(RunsCode())),
        "truncated.pth": plain[: len(plain) // 2],
        "truncated-head.pth": plain[:40],
        "truncated-legacy.pth": _saved(weights, _use_new_zipfile_serialization=False)[:-100],
        "truncated.safetensors": tensors[:-64],
        "bomb.pth": _edited(plain, bomb, data_pkl=bytes(40_000_000)),
        "bomb-storage.pth": _edited(_saved({"w": torch.zeros(4_000_000)}), bomb),
        "no-pickle.zip.pth": _edited(plain, data_pkl=b""),
        "header-length.safetensors": _with_header(b"{}", 2**60),
        "header-huge-tensor.safetensors": _with_header(json.dumps(huge).encode()),
        "header-outside.safetensors": _with_header(json.dumps(outside).encode()),
        "header-deep.safetensors": _with_header(b'{"a":' * 50_000),
        "header-no-json.safetensors": _with_header(b"{" + bytes(range(128, 240))),
        "expanded.pth": _saved({"w": torch.zeros(1).expand(2**20, 2**20)}),
        "many-dimensions.pth": _saved({"w": torch.zeros([1] * 40)}),
        "nan.pth": _saved({"w": torch.full((3,), float("nan"))}),
        "complex.pth": _saved({"w": torch.zeros(3, dtype=torch.complex64)}),
        "sparse.pth": _saved({"w": torch.eye(3).to_sparse()}),
        "meta.pth": _saved({"w": torch.zeros(2**20, 2**20, device="meta")}),
        "name.pth": _saved({"w\n\x1b[31m": torch.zeros(1)}),
        "shapes.pth": _saved(weights),
        "numbers.pth": _saved({"a": 1, "b": [2]}),
        "empty-table.pth": _saved({}),
        "list.pth": _saved([torch.zeros(1)]),
        "huge-index.pth": _saved({f"body.{10**9}.weight": torch.zeros(1), "body.0.weight": torch.zeros(4, 3, 3, 3)}),
        "empty.pth": b"",
        "text.safetensors": b"hello",
    }  # fmt: skip


def write_hostile_files(folder: Path) -> list[Path]:
    """Write all hostile files to a folder, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in hostile_files().items():
        paths.append(folder / name)
        paths[-1].write_bytes(content)
    return paths
