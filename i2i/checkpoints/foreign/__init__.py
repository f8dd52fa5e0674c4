"""Models of other programs: recognised by their tensors alone, and translated to i2i's networks.

- generators of pytorch-CycleGAN-and-pix2pix and CUT, and the global generator of pix2pixHD
- SRVGGNetCompact of Real-ESRGAN
- restoration networks of many programs, through spandrel
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from i2i._version import __version__
from i2i.checkpoints.foreign.compact import recognise_compact
from i2i.checkpoints.foreign.description import describe_foreign
from i2i.checkpoints.foreign.reading import read_tensors
from i2i.checkpoints.foreign.recognition import Recognised, UnusableNetwork, strip_prefixes
from i2i.checkpoints.foreign.resnet import recognise_resnet
from i2i.checkpoints.foreign.restoration import recognise_restoration
from i2i.checkpoints.foreign.unet import recognise_unet
from i2i.checkpoints.foreign.unknown import describe_tensors
from i2i.checkpoints.metadata_fields import MAX_TEXT
from i2i.checkpoints.model_info import MAX_SIZE, MIN_SIZE, DataInfo, ModelInfo
from i2i.directions import Direction
from i2i.errors import ModelFileError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["ImportOptions", "describe_foreign", "import_foreign", "recognise", "stated_direction"]

_RECOGNISERS: tuple[Callable[["dict[str, Tensor]"], Recognised | None], ...] = (
    recognise_resnet, recognise_unet, recognise_compact,
)  # fmt: skip
_B_TO_A = re.compile(r"(?:G_?B|B(?:2|to|_to_)A)(?![a-z])", re.IGNORECASE)
_ONE_DIRECTION = re.compile(r"G_?[AB](?:2[AB])?(?![a-z])|[AB](?:2|to|_to_)[AB]", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class ImportOptions:
    """What the tensors of a model of another program do not tell.

    Args:
        direction: "AtoB" or "BtoA"; None to take it from the name of the file.
        size: pixels a side of the training images; None for the program's default.
        inference_mode: "train" for batch statistics and dropout at inference, "eval" for frozen ones; None for what the
            program does by default.
        dropout: of a U-Net or of residual blocks that have dropout; None for the program's 0.5.
        block_padding: of residual blocks, where the tensors allow several: "reflect" or "replicate".
        output_activation: last function of a residual generator: "tanh" or "none".
        title: what the model does, in a sentence.
        licence: of the weights.
        data: name of the dataset.
        task: restoration task of a model that restores, such as "denoise".
    """

    direction: str | None = None
    size: int | None = None
    inference_mode: Literal["train", "eval"] | None = None
    dropout: float | None = None
    block_padding: Literal["reflect", "replicate"] | None = None
    output_activation: Literal["tanh", "none"] | None = None
    title: str = ""
    licence: str = ""
    data: str = ""
    task: str = ""


def import_foreign(path: Path, options: ImportOptions | None = None) -> "tuple[ModelInfo, dict[str, Tensor]]":
    """Return metadata and weights of a model file of another program, as those of a model file of i2i.

    Args:
        path: an existing file.
        options: what its tensors do not tell.

    Raises:
        ModelFileError: the file cannot be read, or holds no network that i2i can run; the message describes it.
        UsageError: an option does not fit the network.
    """
    options = options or ImportOptions()
    tensors = read_tensors(path)
    found = recognise(path, tensors)
    generator = _with_options(path, found, options)
    direction = options.direction or direction_of(path)
    if direction not in list(Direction):
        raise UsageError(f"{direction!r} is no direction; there are {', '.join(Direction)}.")
    size = options.size or found.size
    if not MIN_SIZE <= size <= MAX_SIZE:
        raise UsageError(f"--size {size} is not from {MIN_SIZE} to {MAX_SIZE}.")
    info = ModelInfo(
        title=options.title,
        version=__version__,
        size=size,
        directions=(direction,),
        generator=generator,
        task=_task(generator, options.task),
        data=DataInfo(name=options.data),
        source=_source(path),
        source_notes=(f"{found.title}.", *found.notes, *_mode_note(generator)),
        licence=options.licence,
    )
    for name in ("title", "licence"):
        if len(getattr(info, name)) > MAX_TEXT:
            raise UsageError(f"--{name} may have {MAX_TEXT} characters.")
    return info, {f"{direction}.{name}": tensor for name, tensor in found.tensors.items()}


def recognise(path: Path, tensors: "Mapping[str, Tensor]") -> Recognised:
    """Return the network that tensors are of.

    Args:
        path: of their file, for messages.
        tensors: by their names in the file.

    Raises:
        ModelFileError: it is none that i2i can run.
        UsageError: it may be one of spandrel's, which is not installed.
    """
    plain = strip_prefixes(tensors)
    try:
        for recogniser in _RECOGNISERS:
            if (found := recogniser(plain)) is not None:
                return found
        restoration = recognise_restoration(plain, str(path))
        if restoration is not None:
            return restoration
    except UsageError as error:
        if isinstance(error, ModelFileError):
            raise
        raise UsageError(f"{error} {describe_tensors(plain)}") from error
    except UnusableNetwork as error:
        raise ModelFileError(f"{path} cannot be used. {error} {describe_tensors(plain)}") from error
    raise ModelFileError(
        f"{path} holds no network that i2i knows. {describe_tensors(plain)} i2i reads generators of CycleGAN, pix2pix, "
        "CUT and pix2pixHD, and restoration networks that spandrel knows."
    )


def direction_of(path: Path) -> str:
    """Return the direction that the name of a file says, such as "BtoA" for latest_net_G_B.pth; "AtoB" by default."""
    return stated_direction(path) or Direction.A_TO_B


def stated_direction(path: Path) -> str | None:
    """Return the direction that the name of a file says; None if it says none."""
    if _B_TO_A.search(path.stem):
        return Direction.B_TO_A
    return Direction.A_TO_B if _ONE_DIRECTION.search(path.stem) else None


def _with_options(path: Path, found: Recognised, options: ImportOptions) -> dict[str, Any]:
    """Return the config of a recognised network, changed by options. Raises UsageError for one that it has not."""
    config = dict(found.generator)
    is_unet = config["network"] == "unet"
    if is_unet and stated_direction(path) is not None:
        config["dropout"] = 0.0  # CycleGAN has none
    if options.dropout is not None:
        if not config.get("dropout") and not is_unet:
            raise UsageError(f"--dropout: {path.name} has no dropout.")
        config["dropout"] = options.dropout
    stated = {"padding": options.block_padding, "output_activation": options.output_activation}
    if any(stated.values()) and config["network"] != "resnet":
        raise UsageError(f"--block-padding and --output-activation are for residual generators; {path.name} is none.")
    if options.block_padding and config["padding"] == "zeros":
        raise UsageError(f"--block-padding: the residual blocks of {path.name} pad with zeros.")
    config |= {name: value for name, value in stated.items() if value}
    if config["network"] in ("resnet", "unet"):
        trains = config["norm"] == "batch" or bool(config["dropout"])
        config["inference_mode"] = options.inference_mode or ("train" if trains else "eval")
    elif options.inference_mode is not None:
        raise UsageError(f"--inference-mode: {path.name} has no layer that depends on it.")
    return config


def _mode_note(generator: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a sentence on the inference mode, if it makes a difference."""
    if generator.get("norm") != "batch" and not generator.get("dropout"):
        return ()
    if generator["inference_mode"] == "eval":
        return ("It runs with frozen statistics and without dropout, as with --eval of the reference.",)
    return (
        "It runs with the statistics of each image, and with dropout where it has any, as the reference does by "
        "default; --inference-mode eval of the import is its --eval.",
    )


def _task(generator: Mapping[str, Any], task: str) -> dict[str, Any] | None:
    scale = generator.get("scale", 1)
    if generator.get("conditioning") == "mask":
        return {"task": "inpaint"}
    if scale in (2, 3, 4):
        return {"task": "superres", "scale": scale}
    return {"task": task} if task else None


def _source(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return f"{path.name[-80:]}, SHA-256 {digest[:16]}"
