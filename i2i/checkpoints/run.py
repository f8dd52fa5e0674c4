"""Runs and bundles on disk.

A run is a folder under ``checkpoints/`` with everything a training leaves behind. A bundle is one
``.safetensors`` with translators and, in its header, all it takes to use them. Loading one runs no code.
"""

import dataclasses
import hashlib
import io
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
from filelock import FileLock, Timeout

from i2i._version import __version__
from i2i.errors import BundleError, I2IError, RunError
from i2i.images import Provenance, write_atomic

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
_HEADER = "i2i"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def root() -> Path:
    """Where runs live: ``$I2I_CHECKPOINTS``, else ``checkpoints``."""
    return Path(os.environ.get("I2I_CHECKPOINTS") or "checkpoints").expanduser()


@dataclasses.dataclass(frozen=True)
class Bundle:
    """Translators as tensors, named "AtoB.…", and the header that says how to build and use them."""

    header: dict[str, Any]
    tensors: "dict[str, Tensor]"

    def of(self, direction: str) -> "dict[str, Tensor]":
        """The tensors of one direction, without its name before them."""
        start = f"{direction}."
        return {key[len(start) :]: value for key, value in self.tensors.items() if key.startswith(start)}


def save_bundle(path: Path, bundle: Bundle) -> None:
    """Write a bundle, atomically. Raises I2IError where the disk is full."""
    from safetensors.torch import save

    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in bundle.tensors.items()}
    header = json.dumps({"format": FORMAT, **bundle.header}, ensure_ascii=False)
    write(path, save(tensors, metadata={_HEADER: header}))


def load_header(path: Path) -> dict[str, Any]:
    """A bundle's header alone. Raises BundleError where the file is not an i2i bundle of a known format."""
    with _opened(path, "np") as file:  # without torch
        return _header(path, file.metadata())


def load_bundle(path: Path) -> Bundle:
    """A bundle from its file. Raises BundleError where it is missing, damaged, foreign or holds NaN."""
    with _opened(path) as file:
        header = _header(path, file.metadata())
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise BundleError(f"{path}: {name} holds values that are not finite. The file is damaged.")
    return Bundle(header, tensors)


def _opened(path: Path, framework: str = "pt") -> Any:
    if not path.is_file():
        raise BundleError(f"{path} does not exist. `i2i models list` shows what there is.")
    try:
        return safetensors.safe_open(path, framework=framework)
    except (safetensors.SafetensorError, OSError) as error:
        raise BundleError(f"{path} is not a readable safetensors file: {error}.") from error


def _header(path: Path, metadata: Mapping[str, str] | None) -> dict[str, Any]:
    try:
        header = json.loads((metadata or {})[_HEADER])
        version = header["format"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise BundleError(f"{path} was not made by i2i: its header lacks what it takes to use it.") from error
    if version != FORMAT:
        raise BundleError(f"{path} has bundle format {version!r}; this i2i reads format {FORMAT}. Update i2i.")
    return header


def in_half_precision(bundle: Bundle) -> Bundle:
    """The bundle with its weights in float16: half the size. Raises BundleError where one is too large for that."""
    halved = {name: value.half() if value.is_floating_point() else value for name, value in bundle.tensors.items()}
    for name, value in halved.items():
        if value.is_floating_point() and not value.isfinite().all():
            raise BundleError(f"{name} holds values beyond float16: this model can only be shared as it is.")
    return Bundle(bundle.header, halved)


def find_bundle(model: str) -> Path:
    """The bundle of a model given as a run's name, a run's folder, or a .safetensors file.

    "RUN/best" is the best checkpoint of a run that keeps it, "RUN/snapshots/STEP" one of its snapshots. Raises
    BundleError naming the models there are.
    """
    path = Path(model).expanduser()
    within = (path / "weights.safetensors", root() / model / "weights.safetensors")
    for candidate in (path, *within, Path(f"{path}.safetensors"), root() / f"{model}.safetensors"):
        if candidate.is_file():
            return candidate
    if Run(root() / model).exists():
        raise BundleError(f"The run {root() / model} has no weights yet: it has not been saved once.")
    known = ", ".join(list_models()) or "none yet"
    raise BundleError(
        f"No model {model!r}. Models in {root().resolve()}: {known}. A run's folder or a .safetensors file works too; "
        "$I2I_CHECKPOINTS names another place."
    )


def model_name(bundle: Path) -> str:
    """By what name ``find_bundle`` finds a bundle under the root, such as "RUN/best"; of a file elsewhere its stem."""
    run = bundle.parent.parent if bundle.parent.name == "snapshots" else bundle.parent
    if bundle.name == "weights.safetensors":
        return run.name or bundle.stem
    return f"{run.name}/{bundle.relative_to(run).with_suffix('').as_posix()}" if Run(run).exists() else bundle.stem


def provenance(bundle: Path) -> Provenance:
    """What pictures made with a bundle say of it: its run's name, and the start of its SHA-256."""
    name = model_name(bundle)
    with bundle.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Provenance(name, digest[:16], f"i2i {__version__}")


def list_models() -> list[str]:
    """Names of the runs that have a bundle, sorted."""
    return sorted(path.parent.name for path in root().glob("*/weights.safetensors"))


def write(path: Path, data: bytes) -> None:
    """``write_atomic``, with a full disk or a read-only folder told as I2IError."""
    try:
        write_atomic(path, data)
    except OSError as error:
        raise I2IError(
            f"{path} could not be written: {error.strerror}. Nothing that was there before is lost. Make room, "
            "or move the run's folder and set I2I_CHECKPOINTS to the folder it is in; then run the command again, "
            "with --resume if the run has a state.pt."
        ) from error


class Run:
    """A run's folder. The last two states are kept: ``state.pt`` and ``state.previous.pt``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / ".lock", timeout=0)

    @classmethod
    def named(cls, name: str) -> "Run":
        """The run of a name under the checkpoints' root. Raises RunError for a name that is no plain name."""
        if not _NAME.fullmatch(name):
            raise RunError(
                f"{name!r} cannot name a run (--name): use letters, digits, '.', '_' and '-', at most 100, the first a "
                "letter or digit."
            )
        return cls(root() / name)

    @property
    def bundle_path(self) -> Path:
        return self.path / "weights.safetensors"

    @property
    def best_path(self) -> Path:
        """The bundle of the best translators so far, where a training keeps them."""
        return self.path / "best.safetensors"

    def snapshot_path(self, step: int) -> Path:
        """The bundle of the translators after ``step`` steps, where a training keeps some: "RUN/snapshots/STEP"."""
        return self.path / "snapshots" / f"{step:07}.safetensors"

    def exists(self) -> bool:
        return (self.path / "config.json").is_file()

    def create(self, config: Mapping[str, Any]) -> None:
        """Make the folder, hold it, and write ``config.json``. Raises RunError where there is anything already.

        Folders without a file are what an attempt cut short leaves, and no reason to refuse.
        """
        if any(path.is_file() and path.name != ".lock" for path in self.path.rglob("*")):
            raise RunError(
                f"{self.path} exists already. Go on with it by --resume, or give this run another --name; "
                "nothing is overwritten."
            )
        try:
            (self.path / "samples").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise I2IError(f"{self.path} could not be made: {error.strerror}.") from error
        self.lock()
        self.write_config(config)

    def write_config(self, config: Mapping[str, Any]) -> None:
        write(self.path / "config.json", json.dumps(config, indent=2).encode() + b"\n")

    def config(self) -> dict[str, Any]:
        """The run's ``config.json``. Raises RunError where there is none or it cannot be read."""
        try:
            return json.loads((self.path / "config.json").read_text())
        except FileNotFoundError as error:
            raise RunError(f"{self.path} is no run: it has no config.json. Start one without --resume.") from error
        except ValueError as error:
            raise RunError(f"{self.path / 'config.json'} is damaged: {error}.") from error

    def lock(self) -> None:
        """Hold the run for this process. Raises RunError where another process trains it."""
        try:
            self._lock.acquire()
        except Timeout as error:
            raise RunError(f"{self.path} is being trained by another process.") from error

    def unlock(self) -> None:
        self._lock.release()

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Write the state, atomically, and keep the one before."""
        import torch

        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        last = self.path / "state.pt"
        fresh = self.path / "state.next.pt"
        write(fresh, buffer.getvalue())
        if last.exists():
            last.replace(self.path / "state.previous.pt")
        fresh.replace(last)

    def load_state(self) -> dict[str, Any] | None:
        """The newest state that can be read, or None before the first one. Raises RunError if all are damaged."""
        import torch

        damaged = []
        for name in ("state.next.pt", "state.pt", "state.previous.pt"):
            path = self.path / name
            if path.is_file():
                try:
                    return torch.load(path, map_location="cpu", weights_only=True)
                except Exception as error:
                    damaged.append(f"{path}: {str(error).splitlines()[0]}")
        if damaged:
            raise RunError("No state of this run can be read. " + "; ".join(damaged))
        return None
