"""Model files made to be hostile: their headers, metadata and tensors."""

import json
import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from safetensors.torch import load_file

from i2i.checkpoints.model_card import write_model_card
from i2i.checkpoints.model_file import load_model_info
from i2i.inference import loading, sampler
from tests.faults import children
from tests.faults.attack import Attack, Failure
from tests.faults.bounds import EXTRA_BYTES, read_within_bounds, unexpected_files
from tests.faults.damage import damage
from tests.faults.operations import Shared

MODELS = Path(__file__).parents[1] / "formats" / "v2"
HOSTILE_NUMBERS = (-1, 0, 1, 7, 2**31, 2**63, -(2**63), 10**400, 1e308, float("nan"), float("inf"), 0.5, True)
HOSTILE_TEXTS = (
    "", "x", "../../etc/passwd", "/etc/passwd", "a" * 100_000, "\0", "\ud800", "\u202e[bold]",
    "<script>alert(1)</script>",
    "[link=file:///etc/passwd]x[/link]", "%s%n", "AtoB", "resnet", "unet", "NaN", "🐴" * 300, "\x1b[2J",
)  # fmt: skip


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def hostile_value(rng: random.Random) -> Any:
    """Return a value that no field expects."""
    return rng.choice((
        lambda: rng.choice(HOSTILE_NUMBERS), lambda: rng.choice(HOSTILE_NUMBERS), lambda: rng.choice(HOSTILE_TEXTS),
        lambda: None, lambda: [], lambda: {}, lambda: nested(rng.choice((3, 50, 900))), lambda: [1] * 100_000,
        lambda: {str(number): number for number in range(10_000)}, lambda: rng.randint(0, 10_000),
        lambda: [rng.choice(HOSTILE_NUMBERS), rng.choice(HOSTILE_TEXTS)],
    ))()  # fmt: skip


def paths_of(value: Any) -> list[tuple[Any, ...]]:
    """Return the paths of the items in nested tables and lists, at most 10,000."""
    paths: list[tuple[Any, ...]] = []
    rest: list[tuple[tuple[Any, ...], Any]] = [((), value)]
    while rest and len(paths) < 10_000:
        path, table = rest.pop()
        items = table.items() if isinstance(table, dict) else enumerate(table) if isinstance(table, list) else ()
        found = [((*path, key), item) for key, item in items]
        paths += [path for path, _ in found]
        rest += found
    return paths


def mutate(table: Any, rng: random.Random) -> str:
    """Change one item of nested tables and lists. Return what was done."""
    paths = paths_of(table)
    if not paths:
        return "nothing"
    path = rng.choice(paths)
    parent = table
    for key in path[:-1]:
        parent = parent[key]
    name = ".".join(map(str, path))
    action = rng.choice(("replace", "replace", "replace", "remove", "add"))
    if action == "remove":
        del parent[path[-1]]
        return f"{name} removed"
    value = hostile_value(rng)
    if action == "add" and isinstance(parent, dict):
        key = rng.choice((*HOSTILE_TEXTS, "depth", "scale", "width"))
        parent[key] = value
        return f"{key[:20]!r} added beside {name}: {str(value)[:50]!r}"
    parent[path[-1]] = value
    return f"{name} replaced by {str(value)[:50]!r}"


def to_bytes(header: Any, data: bytes, length: int | None = None) -> bytes:
    """Return the bytes of a safetensors file, whatever its header says."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text) if length is None else length) + text + data


class HostileModel(Attack):
    """Loads hostile model files, made from good ones. Each must load, or be refused in words, in bounded resources."""

    name = "hostile-model"
    runs_in_child = True

    def __init__(self, folder: Path, shared: Shared) -> None:
        super().__init__(folder, shared)
        self.files = [path for path in sorted(MODELS.rglob("*.safetensors")) if "expected" not in path.parts]
        for path in self.files:
            load_file(path)  # what is imported and allocated once is not counted
        children.limit_memory(8 * EXTRA_BYTES)

    def round(self, index: int, rng: random.Random, folder: Path) -> Failure | None:
        source = rng.choice(self.files)
        content, fault = hostile_file(source.read_bytes(), rng)
        self.fault = f"{source.name}: {fault}"
        path = folder / "checkpoints" / "run" / "weights.safetensors"
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        place = Path.cwd()
        os.chdir(folder)
        try:
            failure = self._load(path, rng)
        finally:
            os.chdir(place)
        return failure and Failure(failure.verdict, failure.what, self.fault)

    def _load(self, path: Path, rng: random.Random) -> Failure | None:
        uses: list[Callable[[], object]] = [lambda: _write_card(path), lambda: use_model(path)]
        if rng.random() < 0.1:
            arguments = rng.choice((("models", "list"), ("models", "info", "run"), ("models", "list", "--json")))
            if failure := children.run_here(children.command(*arguments), path.parents[2]).failure(0, 1, 2):
                return failure
        return read_within_bounds(*uses) or unexpected_files(path.parents[2], "checkpoints")


def _write_card(path: Path) -> None:
    write_model_card(path.parent, load_model_info(path))


def use_model(path: Path) -> None:
    """Load a model of any kind, and run it on a small image."""
    info = load_model_info(path)
    if info.samples_from_noise:
        sampler.load(str(path), device="cpu")([0])
        return
    source = Image.new("RGBA" if info.takes_mask else "RGB", (16, 16), (90, 120, 30))
    loading.load(str(path), device="cpu")(source)


def hostile_file(content: bytes, rng: random.Random) -> tuple[bytes, str]:
    """Return the bytes of a hostile model file made from a good one, and what was done to it."""
    length = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    header["__metadata__"].pop("i2i.sha256", None)  # a hostile file would carry the right one
    ways: tuple[Callable[[], tuple[bytes, str]], ...] = (
        lambda: _hostile_metadata(header, data, rng),
        lambda: _hostile_metadata(header, data, rng),
        lambda: _hostile_metadata(header, data, rng),
        lambda: _hostile_tensors(header, data, rng),
        lambda: _hostile_header(header, data, rng),
        lambda: damage(content, rng),
    )
    return rng.choice(ways)()


def _hostile_metadata(header: dict[str, Any], data: bytes, rng: random.Random) -> tuple[bytes, str]:
    metadata = json.loads(header["__metadata__"]["i2i"])
    changes = [mutate(metadata, rng) for _ in range(rng.choice((1, 1, 1, 2, 5)))]
    text = json.dumps(metadata)
    if rng.random() < 0.1:
        text = rng.choice((text[: len(text) // 2], f"[{text}]", "[" * 100_000, "null", text + text, "1" * 5000))
        changes.append("metadata that are no table")
    header["__metadata__"]["i2i"] = text
    return to_bytes(header, data), "; ".join(changes)


def _hostile_tensors(header: dict[str, Any], data: bytes, rng: random.Random) -> tuple[bytes, str]:
    name = rng.choice([name for name in header if name != "__metadata__"])
    tensor = header[name]
    way = rng.choice(("shape", "dtype", "offsets", "name", "missing", "values", "any"))
    if way == "shape":
        tensor["shape"] = rng.choice(([0], [], [2**40], [2**62, 4], [-1], [1] * 1000, tensor["shape"][::-1]))
    elif way == "dtype":
        tensor["dtype"] = rng.choice(("F64", "F16", "BF16", "I64", "BOOL", "F8_E4M3", "X", "", "F4", "I8", "U8"))
    elif way == "offsets":
        tensor["data_offsets"] = rng.choice(
            ([0, len(data)], [len(data), 0], [0, 2**62], [-4, 0], [0, 0], [2**63, 2**64 - 1])
        )
    elif way == "name":
        header[rng.choice(HOSTILE_TEXTS)] = header.pop(name)
    elif way == "missing":
        del header[name]
    elif way == "values":
        begin, end = tensor["data_offsets"]
        value = rng.choice((b"\xff", b"\x00\x00\xc0\x7f", b"\xff\xff\x7f\x7f"))
        data = data[:begin] + (value * (end - begin))[: end - begin] + data[end:]
    else:
        mutate(tensor, rng)
    return to_bytes(header, data), f"{way} of the tensor {name}: {str(tensor)[:100]}"


def _hostile_header(header: dict[str, Any], data: bytes, rng: random.Random) -> tuple[bytes, str]:
    text = json.dumps(header).encode()
    way = rng.choice(("length", "no metadata", "nested", "many", "garbage", "metadata type", "duplicate"))
    if way == "length":
        length = rng.choice((0, 1, len(text) - 1, len(text) + 1, 2**31, 2**63, 2**64 - 1))
        return to_bytes(text, data, length), f"header length {length}"
    if way == "no metadata":
        del header["__metadata__"]
    elif way == "nested":
        text = b'{"__metadata__":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_001
        return to_bytes(text, data), way
    elif way == "many":
        header |= {f"x{k}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for k in range(20_000)}
    elif way == "garbage":
        return to_bytes(rng.randbytes(len(text)), data), way
    elif way == "metadata type":
        header["__metadata__"] = hostile_value(rng)
    else:
        text = text[:-1] + b"," + text[1:]
        return to_bytes(text, data), way
    return to_bytes(header, data), way
