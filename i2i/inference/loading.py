"""Load a translator from a model file.

Every number and tensor shape of the file is checked before memory is allocated for a network.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from i2i.arguments import check_types
from i2i.checkpoints.model_file import ModelFile, find_model_file, load_any_model_info, load_model_file, provenance_of
from i2i.checkpoints.model_info import ModelInfo
from i2i.device import Precision
from i2i.directions import Direction
from i2i.errors import ModelFileError, UsageError
from i2i.inference.auto.choice import AUTO
from i2i.inference.chain import ChainedTranslator
from i2i.inference.chain_names import split_chain, split_member
from i2i.inference.channel_translator import ChannelTranslator
from i2i.inference.exported import is_exported, load_exported, open_exported
from i2i.inference.foreign_precision import with_safe_precision
from i2i.inference.mask_images import MaskFill
from i2i.inference.options import EngineChoice, InferenceOptions
from i2i.inference.preprocessing import MIN_SIDE
from i2i.inference.translator import Translator
from i2i.model_networks import build_translator
from i2i.networks import Identity, IdentityConfig, SpandrelConfig, SpandrelNetwork

if TYPE_CHECKING:
    from i2i.inference.auto.translator import AutoTranslator


def load(
    model: str | os.PathLike[str],
    direction: str | None = None,
    *,
    device: str | torch.device = "auto",
    precision: Precision = "auto",
    strength: float | None = None,
    mask: str | os.PathLike[str] | None = None,
    mask_fill: MaskFill = "white",
    value_range: tuple[float, float] | None = None,
    blend: float = 1.0,
    grain: float = 0.0,
    protect: str | os.PathLike[str] | None = None,
    engine: EngineChoice | None = None,
    network_range: tuple[float, float] | None = None,
    texture_mask: bool | None = None,
) -> Translator:
    """Load a translator.

    Args:
        model: name of a run, folder of a run, or path of a model file, also one that `i2i models export` has written
            (.onnx, .xml, .pt2), or an ONNX or OpenVINO file of another program; "hf://user/repo" is a model of the
            Hugging Face Hub; "identity" returns its input unchanged.
            Several of these with + between them make a chain, such as "denoise+superres2": each takes the results of
            the one before. A member of a chain may name its direction or strength:
            "horse2zebra:BtoA+denoise-with-level:25".
        direction: "AtoB" or "BtoA"; by default the model's first direction. In a chain, for each model that has it.
        device: "auto", or a torch device or its name.
        precision: "auto", "float32" or "bfloat16".
        strength: strength of the degradation, in the unit of the model's task, for a model that takes it as input. In a
            chain, for each model that takes it.
        mask: mask of an inpainting model, see ``MaskReader``.
        mask_fill: what the mask marks: "white", "black" or "paint", see ``mask_from_image``.
        value_range: sample values of black and white, such as (0, 4095), for images of a type that can hold them; None
            for those of the model's training, else of the type.
        blend: 1 for the result as it is, 0 for the photo, a mixture in between; of a larger result, with the bicubic
            enlargement of the photo.
        grain: σ of film grain that is added to the result, in grey levels; 0 for none.
        protect: mask image of the region that stays as it is in the photo, or folder of masks; ``mask_fill`` applies.
        engine: what computes the network on a CPU: "torch", "onnxruntime", "openvino", or "auto" for the fastest that
            is installed and whose results are those of torch, which is measured once; None for torch.
        network_range: values of black and white that the network of an ONNX or OpenVINO file of another program takes
            and returns, such as (0, 1).
        texture_mask: True to return the image wherever the translation adds no texture, such as stripes; False not to;
            None as the model says.

    Raises:
        ModelFileError or UsageError: the message names the available choices.
        ArgumentTypeError: a TypeError: an argument of another type.

    >>> translate = i2i.load("horse2zebra", "AtoB")
    >>> translate(Image.open("horse.jpg")).save("zebra.png")
    """
    check_types(load, locals())
    model = os.fspath(model)
    if model == AUTO:
        raise UsageError("auto is not one model: i2i.load_auto() returns a function that chooses for each photo.")
    options = InferenceOptions(
        device=str(device), precision=precision, strength=strength, mask=mask, mask_fill=mask_fill,
        value_range=value_range, blend=float(blend), grain=float(grain), protect=protect, engine=engine,
        network_range=network_range, texture_mask=texture_mask,
    )  # fmt: skip
    return load_with_options(model, direction, options)


def load_with_options(model: str, direction: str | None, options: InferenceOptions) -> Translator:
    """Load a translator, as ``load``."""
    members = [model] if "+" not in model or _is_one_model(model) else split_chain(model)
    return load_one(model, direction, options) if len(members) == 1 else load_chain(members, direction, options)


def load_auto(
    *, device: str | torch.device = "auto", precision: Precision = "auto", blend: float = 1.0, grain: float = 0.0
) -> "AutoTranslator":
    """Load a translator that chooses among the installed restoration models for each photo.

    Args:
        device: as for ``load``.
        precision: as for ``load``.
        blend: as for ``load``.
        grain: as for ``load``.

    Raises: ArgumentTypeError: a TypeError: an argument of another type.

    >>> auto = i2i.load_auto()
    >>> auto("horse.jpg").save("restored.png")
    >>> auto.explain("horse.jpg").model
    'dejpeg'
    """
    from i2i.inference.auto.translator import AutoTranslator

    check_types(load_auto, locals())
    return AutoTranslator(InferenceOptions(str(device), precision, blend=float(blend), grain=float(grain)))


def load_chain(members: Sequence[str], direction: str | None, options: InferenceOptions) -> Translator:
    """Load several models, as one translator.

    Args:
        members: name or path of each, with its direction or strength after a colon, if any.
        direction: of each model that has it and names none; None for the first of each.
        options: as of one model. The strength is that of each model that takes one and names none.

    Raises: ModelFileError or UsageError, also if no model takes an option.
    """
    named = [(member, None, None) if _is_one_model(member) else split_member(member) for member in members]
    chain = [_chain_member(*parts) for parts in named]
    if direction is not None and not any(direction in member.directions for member in chain):
        raise UsageError(f"No model of {'+'.join(members)} has the direction {direction!r}.")
    if options.strength is not None and not any(member.takes_strength for member in chain):
        options.check_for("+".join(members), None)
    if options.texture_mask is not None and not any(member.can_mask_texture for member in chain):
        options.check_for("+".join(members), None)
    plain = replace(options, strength=None, mask=None, mask_fill="white", blend=1.0, grain=0.0, protect=None)
    loaded = []
    for member in chain:
        strength = options.strength if member.strength is None and member.takes_strength else member.strength
        chosen = member.direction or (direction if direction in member.directions else None)
        texture_mask = options.texture_mask if member.can_mask_texture else None
        loaded.append(load_one(member.name, chosen, replace(plain, strength=strength, texture_mask=texture_mask)))
        if loaded[-1].takes_channels:
            raise UsageError(
                f"{member.name} takes images of other channels or another type than pictures: run it alone."
            )
    if loaded[0].mask_reader is None:
        replace(plain, mask=options.mask).check_for(loaded[0].name, chain[0].info)
    return ChainedTranslator(loaded, options)


@dataclass(frozen=True)
class _ChainMember:
    """A model of a chain, as the chain names it.

    Attributes:
        name: name or path of the model.
        direction: the direction that the chain names for it, if any.
        strength: the strength that the chain names for it, if any.
        info: metadata of the model file; None for the identity.
    """

    name: str
    direction: str | None
    strength: float | None
    info: ModelInfo | None

    @property
    def directions(self) -> Sequence[str]:
        return list(Direction) if self.info is None else self.info.directions

    @property
    def takes_strength(self) -> bool:
        return self.info is not None and self.info.takes_strength

    @property
    def can_mask_texture(self) -> bool:
        return self.info is not None and self.info.can_mask_texture


def _chain_member(name: str, direction: str | None, strength: float | None) -> _ChainMember:
    """Return a member with the metadata of its model file."""
    info = None if name == "identity" else any_model_info(find_model_file(name))
    return _ChainMember(name, direction, strength, info)


def _is_one_model(model: str) -> bool:
    """Return whether a text names a model, as it is."""
    if model == "identity":
        return True
    try:
        find_model_file(model)
    except ModelFileError:
        return False
    return True


def load_one(model: str, direction: str | None, options: InferenceOptions) -> Translator:
    """Load one model by its name or path, or the identity. Raises ModelFileError or UsageError."""
    if model == "identity":
        direction = _checked_direction(model, direction, list(Direction))
        if options.engine not in (None, "auto", "torch") or options.network_range is not None:
            raise UsageError("identity computes nothing: omit --engine and --network-range.")
        return Translator(Identity(), IdentityConfig(), size=MIN_SIDE, direction=direction, options=options)
    path = find_model_file(model)
    if is_exported(path):
        if options.texture_mask is not None:
            raise UsageError(f"{model} is an exported network, which runs as it is: omit --texture-mask.")
        return load_exported(path, direction, options)
    if options.network_range is not None:
        raise UsageError(f"--network-range is for ONNX and OpenVINO files of other programs: omit it with {model}.")
    model_file = load_model_file(path)
    info = model_file.info
    if info.samples_from_noise:
        raise UsageError(
            f"{model} generates images from noise and cannot translate images. "
            f"Generate images with `i2i sample {model} --out grid.png`, or by i2i.load_sampler({model!r}) in Python."
        )
    direction = _checked_direction(model, direction, info.directions)
    options.check_for(model, info)
    if options.texture_mask is not None:
        model_file, options = _with_texture_mask(model, model_file, options, options.texture_mask)
    return _translator_of(path, model_file, direction, options)


def _with_texture_mask(
    model: str, model_file: ModelFile, options: InferenceOptions, texture_mask: bool
) -> tuple[ModelFile, InferenceOptions]:
    """Return a model file whose network has the texture mask or not, and options that compute it by torch."""
    if options.engine not in (None, "auto", "torch"):
        raise UsageError(f"--engine {options.engine} computes {model} as its file has it: omit --texture-mask.")
    info = model_file.info
    info = replace(info, generator={**info.generator, "texture_mask": texture_mask})
    return replace(model_file, info=info), replace(options, engine="torch")


def _translator_of(path: Path, model_file: ModelFile, direction: str, options: InferenceOptions) -> Translator:
    """Build the network of one direction of a model file, and the translator that runs it."""
    info = model_file.info
    network, config = build_translator(path, model_file, direction)
    if isinstance(network, SpandrelNetwork) and isinstance(config, SpandrelConfig):
        options = with_safe_precision(network, config, options)
    provenance = provenance_of(path)
    kind = Translator if info.takes_pictures else ChannelTranslator
    translator = kind(
        network,
        config,
        size=info.size,
        direction=direction,
        info=info,
        provenance=replace(provenance, model=f"{provenance.model} {direction}"),
        options=options,
    )
    if options.engine not in (None, "torch"):
        from i2i.inference.engine_choice import use_engine

        use_engine(translator, path, options.engine, options.expected_pixels)
    return translator


def any_model_info(path: Path) -> ModelInfo:
    """Return the metadata of a model file: of i2i, of another program, or of another runtime.

    Raises: ModelFileError as ``load``.
    """
    return open_exported(path).info if is_exported(path) else load_any_model_info(path)


def load_identity_of_channels(
    direction: str | None = None, *, value_range: tuple[float, float] | None = None
) -> ChannelTranslator:
    """Return the identity for images of any channels and type: results equal their images to the last bit."""
    direction = _checked_direction("identity", direction, list(Direction))
    options = InferenceOptions(device="cpu", value_range=value_range)
    return ChannelTranslator(Identity(), IdentityConfig(), size=MIN_SIDE, direction=direction, options=options)


def _checked_direction(model: str, direction: str | None, directions: Sequence[str]) -> str:
    """Return ``direction``, or the first of ``directions``. Raises UsageError if the model does not have it."""
    if direction is None:
        return directions[0]
    if direction not in directions:
        raise UsageError(f"{model} has no direction {str(direction)!r}; it has {', '.join(directions)}.")
    return str(direction)
