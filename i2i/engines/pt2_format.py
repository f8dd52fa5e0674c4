"""pt2, the archives of ``torch.export.save``: write one, and read the weights of one without unpickling anything.

``torch.export.load`` unpickles tensors and objects where an archive says so, and evaluates formulas of its text: a
file of somebody else could run code. Here the metadata and the plain bytes of the weights are read from an archive that
i2i wrote, and the network is built from the metadata, as from a model file.
"""

import io
import json
import math
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2i.engines.formats import EXPORT_KEY, MODEL_KEY
from i2i.engines.sessions import first_line
from i2i.errors import ModelFileError
from i2i.json_parsing import JsonError, parse_json_table

if TYPE_CHECKING:
    from torch import Tensor
    from torch.export import ExportedProgram

MAX_ENTRIES = 100_000
MAX_TEXT_BYTES = 50_000_000
MAX_WEIGHT_BYTES = 20_000_000_000
METADATA_FILE = "i2i.json"
_WEIGHTS, _WEIGHTS_CONFIG = "data/weights/", "data/weights/model_weights_config.json"
_DTYPES = {6: "float16", 7: "float32"}  # numbers of torch._export.serde.schema.ScalarType
_PREFIXES = ("network.network.", "network.")  # of the modules of ``tracing`` around the network


def save_pt2(program: "ExportedProgram", path: Path, texts: dict[str, str]) -> None:
    """Write an archive that ``torch.export.load`` reads, with texts as its extra file i2i.json."""
    import torch

    program.example_inputs = None  # they would be pickled
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={METADATA_FILE: json.dumps(texts)})
    path.write_bytes(buffer.getbuffer())


def read_pt2(path: Path) -> "tuple[dict[str, str], dict[str, Tensor]]":
    """Return the metadata of an archive that i2i wrote, and its weights by name, in float32.

    Raises: ModelFileError if i2i did not write it, it is damaged, or it holds pickled weights.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return _read(path, archive)
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        raise ModelFileError(f"{path} is no readable pt2 archive, or is cut off ({first_line(error)}).") from error


def _read(path: Path, archive: zipfile.ZipFile) -> "tuple[dict[str, str], dict[str, Tensor]]":
    entries = {entry.filename.partition("/")[2]: entry for entry in archive.infolist()[:MAX_ENTRIES]}
    if f"extra/{METADATA_FILE}" not in entries:
        raise ModelFileError(
            f"{path} was not written by i2i: it has no {METADATA_FILE}. Loading an archive of somebody else can run "
            "code, so i2i does not. Export the network as ONNX, or load it by torch.export.load if you trust it."
        )
    texts = _read_json(path, archive, entries[f"extra/{METADATA_FILE}"])
    if not {MODEL_KEY, EXPORT_KEY} <= texts.keys() or not all(isinstance(text, str) for text in texts.values()):
        raise ModelFileError(f"{path}: {METADATA_FILE} does not describe a model of i2i. The file is damaged.")
    if _WEIGHTS_CONFIG not in entries:
        raise ModelFileError(f"{path} holds no list of weights ({_WEIGHTS_CONFIG}). The file is damaged.")
    table = _read_json(path, archive, entries[_WEIGHTS_CONFIG]).get("config")
    if not isinstance(table, dict):
        raise ModelFileError(f"{path}: its list of weights is no table. The file is damaged.")
    weights = {}
    for name, row in table.items():
        weights[_plain_name(name)] = _read_weight(path, archive, entries, name, row)
    return texts, weights


def _read_json(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> dict[str, Any]:
    if entry.file_size > MAX_TEXT_BYTES:
        raise ModelFileError(f"{path}: {entry.filename} has more than {MAX_TEXT_BYTES} bytes. The file is damaged.")
    try:
        return parse_json_table(archive.read(entry))
    except JsonError as error:
        raise ModelFileError(f"{path}: {entry.filename} {error}. The file is damaged.") from error


def _plain_name(name: str) -> str:
    return next((name.removeprefix(prefix) for prefix in _PREFIXES if name.startswith(prefix)), name)


def _read_weight(path: Path, archive: zipfile.ZipFile, entries: Any, name: str, row: Any) -> "Tensor":
    """Return one weight. Raises ModelFileError unless it is a contiguous tensor of floats, stored as plain bytes."""
    import torch

    short = name[:100]
    if isinstance(row, dict) and row.get("use_pickle"):
        raise ModelFileError(f"{path}: the weight {short!r} is pickled. Reading it could run code, so i2i does not.")
    try:
        meta = row["tensor_meta"]
        sizes, strides = ([int(x["as_int"]) for x in meta[key]] for key in ("sizes", "strides"))
        dtype = _DTYPES[meta["dtype"]]
        entry = entries[_WEIGHTS + row["path_name"]]
        offset = int(meta["storage_offset"]["as_int"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"{path}: the weight {short!r} is not described as a tensor of floats.") from error
    count, width = math.prod(sizes), 2 if dtype == "float16" else 4
    contiguous = [math.prod(sizes[index + 1 :]) for index in range(len(sizes))]
    if min([*sizes, 0]) < 0 or count * width > MAX_WEIGHT_BYTES or entry.file_size != count * width or offset:
        raise ModelFileError(
            f"{path}: the weight {short!r} of shape {'x'.join(map(str, sizes))[:80]} has {entry.file_size} bytes, "
            f"expected {count * width}. The file is damaged."
        )
    values = torch.frombuffer(bytearray(archive.read(entry)), dtype=getattr(torch, dtype)) if count else torch.empty(0)
    if strides != contiguous:
        values = _from_strides(path, short, values, sizes, strides)
    values = values.reshape(sizes).float()
    if not values.isfinite().all():
        raise ModelFileError(f"{path}: the weight {short!r} holds values that are not finite. The file is damaged.")
    return values


def _from_strides(path: Path, name: str, values: "Tensor", sizes: list[int], strides: list[int]) -> "Tensor":
    """Return values that are stored in another order of dimensions. Raises ModelFileError for overlapping strides."""
    last = sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True)) if len(values) else -1
    if len(sizes) != len(strides) or min(strides) < 0 or last + 1 != len(values):
        raise ModelFileError(f"{path}: the weight {name!r} has strides that do not fit its shape. The file is damaged.")
    return values.as_strided(sizes, strides)
