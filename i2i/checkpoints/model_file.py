"""Model files: save, load and find them.

A model file is one ``.safetensors`` file. It holds the weights of one or more translators and, as JSON in its header,
the metadata needed to build and use them. Loading a model file runs no code.
"""

import dataclasses
import difflib
import hashlib
import json
import os
import reprlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from i2i._version import __version__
from i2i.checkpoints.foreign import import_foreign
from i2i.checkpoints.hub import address_of_cached_file, fetch_model, is_hub_address, parse_address
from i2i.checkpoints.model_header import METADATA_KEY, is_foreign, open_model_file, parse_info
from i2i.checkpoints.model_info import ModelInfo
from i2i.checkpoints.run import Run, checkpoints_dir, write_or_explain
from i2i.checkpoints.shipped import is_shipped, shipped_model_files
from i2i.errors import ModelFileError
from i2i.images import Provenance
from i2i.json_parsing import replace_surrogates
from i2i.paths import expand_user

if TYPE_CHECKING:
    from torch import Tensor, nn

MAX_DIMENSIONS = 8  # of a tensor
_CHECKSUM_KEY = "i2i.sha256"  # of the metadata and the tensors; absent in files of i2i 0.1.0


@dataclasses.dataclass(frozen=True)
class ModelFile:
    """The content of a model file.

    Args:
        info: how to build and use the translators, and how they were trained.
        tensors: weights by name; each name starts with the direction, such as "AtoB.encoder.0.weight".
    """

    info: ModelInfo
    tensors: "dict[str, Tensor]"

    @classmethod
    def from_networks(cls, info: ModelInfo, networks: "Sequence[nn.Module]") -> "ModelFile":
        """Return the model file of translators.

        Args:
            info: how to build and use them.
            networks: one for each of ``info.directions``, in their order.
        """
        tensors = {
            f"{direction}.{name}": tensor
            for direction, network in zip(info.directions, networks, strict=True)
            for name, tensor in network.state_dict().items()
        }
        return cls(info, tensors)

    def state_dict(self, direction: str) -> "dict[str, Tensor]":
        """Return the tensors of one direction, named without the direction."""
        prefix = f"{direction}."
        return {name.removeprefix(prefix): x for name, x in self.tensors.items() if name.startswith(prefix)}


def save_model_file(path: Path, model_file: ModelFile) -> None:
    """Write a model file atomically.

    Raises:
        I2IError: the file cannot be written, such as on a full disk.
    """
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model_file.tensors.items()}
    metadata = replace_surrogates(json.dumps(model_file.info.to_metadata(), ensure_ascii=False))
    checksum = checksum_of(metadata, tensors)
    write_or_explain(
        path, _with_sorted_metadata(save(tensors, metadata={METADATA_KEY: metadata, _CHECKSUM_KEY: checksum}))
    )


def _with_sorted_metadata(data: bytes) -> bytes:
    """Return a safetensors file with its metadata in alphabetical order.

    safetensors writes several keys in random order. Equal models shall be equal files.
    """
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # the tensors start at a multiple of 8 bytes
    return b"".join((len(text).to_bytes(8, "little"), text, memoryview(data)[8 + length :]))


def load_model_info(path: Path) -> ModelInfo:
    """Return the metadata of a model file of i2i, without loading tensors or importing torch.

    Raises:
        ModelFileError: the file is missing, unreadable, not written by i2i, of an unknown format, or its metadata are
            not usable.
    """
    with open_model_file(path, "np") as file:
        return parse_info(path, file.metadata())


def load_any_model_info(path: Path) -> ModelInfo:
    """Return the metadata of a model file of i2i, or those that ``import_foreign`` makes for one of another program.

    Raises:
        ModelFileError: as ``load_model_file``.
    """
    return import_foreign(path)[0] if is_foreign(path) else load_model_info(path)


def load_model_file(path: Path) -> ModelFile:
    """Load a model file of i2i, or one of another program whose network i2i has.

    Raises:
        ModelFileError: the file is missing, unreadable, of an unknown format or network, its metadata are not usable,
            it differs from its checksum, or it holds a value that is not finite.
    """
    if is_foreign(path):
        return ModelFile(*import_foreign(path))
    with open_model_file(path) as file:
        header = file.metadata()
        info = parse_info(path, header)
        names = list(file.keys())
        _check_dimensions(path, {name: len(file.get_slice(name).get_shape()) for name in names})
        tensors = {name: file.get_tensor(name) for name in names}
    expected = header.get(_CHECKSUM_KEY)
    if expected is not None and checksum_of(header[METADATA_KEY], tensors) != expected:
        raise ModelFileError(f"{path} differs from its checksum. The file is damaged: copy or download it again.")
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ModelFileError(f"{path}: {name} holds values that are not finite. The file is damaged.")
    return ModelFile(info, tensors)


def _check_dimensions(path: Path, dimensions: Mapping[str, int]) -> None:
    """Raise ModelFileError for a tensor with more dimensions than weights have. torch fails at more than 64."""
    for name, count in dimensions.items():
        if count > MAX_DIMENSIONS:
            raise ModelFileError(
                f"{path}: {reprlib.repr(name)} has {count} dimensions, more than {MAX_DIMENSIONS}. The file is damaged."
            )


def checksum_of(metadata: str, tensors: "Mapping[str, Tensor]") -> str:
    """Return the SHA-256 of a model file's metadata and of the names, types, shapes and bytes of its tensors.

    Args:
        metadata: JSON, as it stands in the file.
        tensors: on the CPU and contiguous.
    """
    import torch

    digest = hashlib.sha256(metadata.encode("utf-8", "surrogatepass"))
    for name, tensor in sorted(tensors.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode("utf-8", "surrogatepass"))
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def to_half(model_file: ModelFile) -> ModelFile:
    """Return the model file with its floating-point tensors in float16.

    Raises:
        ModelFileError: a value is too large for float16.
    """
    tensors = {name: x.half() if x.is_floating_point() else x for name, x in model_file.tensors.items()}
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ModelFileError(f"{name} holds values too large for float16. Export this model in float32.")
    return ModelFile(model_file.info, tensors)


def find_model_file(model: str | os.PathLike[str]) -> Path:
    """Return the path of a model file.

    A run of the user comes before a shipped model of the same name.

    Args:
        model: a run's name, a run's folder, a ``.safetensors`` file, or the name of a shipped model. "RUN/best" is the
            best checkpoint of a run and "RUN/snapshots/STEP" is one of its snapshots. "hf://user/repo" is a model on
            the Hugging Face Hub, which is downloaded.

    Raises:
        ModelFileError: no such model; the message lists the existing ones.
        DownloadError: the Hub cannot be reached.
    """
    model = os.fspath(model)
    if is_hub_address(model):
        return fetch_model(parse_address(model))
    path = expand_user(model)
    run = checkpoints_dir() / model
    for candidate in (
        path,
        path / "weights.safetensors",
        run / "weights.safetensors",
        Path(f"{path}.safetensors"),
        checkpoints_dir() / f"{model}.safetensors",
    ):
        if candidate.is_file():
            return candidate
    if Run(run).exists():
        raise ModelFileError(f"The run {run} has no weights yet: it has not saved a checkpoint.")
    shipped = shipped_model_files()
    if model in shipped:
        return shipped[model]
    names = model_files()
    runs = ", ".join(name for name, file in names.items() if not is_shipped(file.parent)) or "none yet"
    similar = difflib.get_close_matches(model, [*names, *shipped], n=1)
    suggestion = f" Did you mean {similar[0]}?" if similar else ""
    if model.partition(":")[0] in names:
        suggestion = (
            " A colon and a direction or strength follow a member of a chain; a single model has options for them."
        )
    raise ModelFileError(
        f"No model {model!r}.{suggestion} Models in {checkpoints_dir().resolve()}: {runs}. Shipped models: "
        f"{', '.join(shipped) or 'none are installed'}. Name one of these, a run's folder or a model file, or "
        "set $I2I_CHECKPOINTS to another folder of runs."
    )


def model_name(path: Path) -> str:
    """Return the name under which ``find_model_file`` finds ``path``, such as "RUN/best".

    For a model file outside a run, return its stem; for one in the cache of the Hub, its address.
    """
    if (address := address_of_cached_file(path)) is not None:
        return str(address)
    run = path.parent.parent if path.parent.name == "snapshots" else path.parent
    if path.name == "weights.safetensors":
        return run.name or path.stem
    return f"{run.name}/{path.relative_to(run).with_suffix('').as_posix()}" if Run(run).exists() else path.stem


def name_for_files(path: Path) -> str:
    """Return ``model_name`` as the start of a file's name, such as "RUN-best"."""
    return model_name(path).removeprefix("hf://").replace("/", "-")


def provenance_of(path: Path) -> Provenance:
    """Return what images made with a model file record about it: its name and the start of its SHA-256."""
    name = model_name(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Provenance(name, digest[:16], f"i2i {__version__}")


def model_files() -> dict[str, Path]:
    """Return the model file of each run and shipped model, by the name under which ``find_model_file`` finds it.

    The user's runs come first, sorted by name, then the shipped models whose name no run has.
    """
    files = sorted(checkpoints_dir().glob("*/weights.safetensors"))
    runs = {path.parent.name: path for path in files if not is_shipped(path.parent)}
    shipped = shipped_model_files()
    free = [name for name in shipped if name not in runs and not Run(checkpoints_dir() / name).exists()]
    return runs | {name: shipped[name] for name in free}


def list_models() -> list[str]:
    """Return the names of ``model_files``."""
    return list(model_files())
