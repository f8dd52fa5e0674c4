"""``i2i.convert``: convert photos, folders and videos from Python. The package itself is called."""

import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from i2i.arguments import PathLike, check_types, refuse_unknown, to_device_name, to_paths
from i2i.convert.api import OutputFormat, Result
from i2i.convert.auto import AUTO, run_auto
from i2i.convert.conversion import open_conversion
from i2i.convert.distributed.run import convert_distributed, is_distributed
from i2i.convert.options import DEPTHS, ConvertOptions, existing_policy, parse_pixels
from i2i.convert.sequences import Frames
from i2i.device import Precision
from i2i.errors import ArgumentTypeError
from i2i.images.writing import MetadataPolicy
from i2i.inference.mask_images import MaskFill
from i2i.inference.options import EngineChoice

if TYPE_CHECKING:
    import torch

    from i2i.inference.translator import Translator

_OTHER_NAMES = {
    "strength": "degradation_level", "patterns": "pattern", "kind": "format", "suffix": "format", "output": "out",
    "json": "the returned Result, as there is no",
}  # fmt: skip


def convert(
    model: "PathLike | Translator",
    sources: PathLike | Sequence[PathLike],
    out: PathLike | None = None,
    *,
    direction: Literal["AtoB", "BtoA"] | None = None,
    format: OutputFormat | None = None,
    quality: int = 95,
    lossless: bool = False,
    depth: Literal["auto", 8, 16] = "auto",
    keep_profile: bool = False,
    pattern: str | Sequence[str] = (),
    stack: str = "",
    frames: Frames = "first",
    overwrite: bool = False,
    skip_existing: bool = False,
    dry_run: bool = False,
    explain: bool = False,
    metadata: MetadataPolicy = "keep",
    provenance: bool = True,
    max_pixels: int | str = "89MP",
    max_side: int | None = None,
    stabilize: bool = False,
    device: "str | torch.device" = "auto",
    precision: Precision = "auto",
    degradation_level: float | None = None,
    mask: PathLike | None = None,
    mask_fill: MaskFill = "white",
    value_range: tuple[float, float] | None = None,
    blend: float = 1.0,
    grain: float = 0.0,
    protect: PathLike | None = None,
    engine: EngineChoice | None = None,
    network_range: tuple[float, float] | None = None,
    texture_mask: bool | None = None,
    batch_size: int = 0,
    compile: bool = False,
    ray: str | None = None,
    workers: int = 0,
    progress: Callable[[int, int, int], None] = lambda done, failed, total: None,
    **unknown: Any,
) -> Result:
    """Translate photos, folders of photos and videos with a model, as ``i2i convert`` does.

    Results keep the folder tree of the sources. A second call converts only what is missing or outdated.

    Args:
        model: any model that ``i2i.load`` takes, such as the name of a run; a loaded ``Translator``, which has its own
            direction, device, precision, degradation level and mask; or "auto", which chooses among the installed
            restoration models for each photo: ``choices`` of the result lists what it chose, and why.
        sources: photos, folders and videos: a path or a list of paths; or addresses of photos and folders, such as
            "s3://bucket/photos".
        out: folder for the results, or its address; or the file name of the result of a single photo or video. Only
            with ``explain`` it may be omitted.
        direction: by default the model's first.
        format: png, jpg, webp, avif, tif, gif or npy; by default that of ``out``, else png. ``i2i docs channels`` has
            the default for images of other channels than RGB.
        quality: of jpg, webp and avif, from 1 to 100.
        lossless: whether webp and avif store the pixels as they are.
        depth: bits of a channel in png and tif; "auto": 16 if the file of the photo has more than 8.
        keep_profile: whether results of photos in another RGB space than sRGB keep it, and its profile.
        pattern: in folders, convert only photos whose name matches.
        stack: in folders, files that form one image of several channels, such as "{stem}_{B02,B03,B04}.tif"; by default
            as in the model's training.
        frames: frames of animations and pages of documents to convert: "first"; "all", into one result where the
            format holds them; or "each" into its own result.
        overwrite: whether existing results are replaced.
        skip_existing: whether existing results are kept, also those of another source or model.
        dry_run: whether to write nothing. ``planned`` of the result then lists what would be converted.
        explain: for "auto": whether to convert nothing. ``choices`` of the result lists what was chosen, and why.
        metadata: "keep" copies the photo's metadata, but never its location; "strip" copies nothing.
        provenance: whether the metadata of the results name the model.
        max_pixels: pixels of the largest image that is read, such as "200MP".
        max_side: larger photos and videos are downscaled to this many pixels on the longer side first.
        stabilize: videos: less flicker, but slower reaction to changes.
        device: "auto", or a torch device or its name.
        precision: "auto", "float32" or "bfloat16".
        degradation_level: strength of the degradation, for models that take it as input.
        mask: for inpainting models: a mask image, or a folder with one for each photo.
        mask_fill: what the mask marks.
        value_range: values of black and white of the photos; by default those of the model, else of their type.
        blend: 1 for the result as it is, 0 for the photo, a mixture in between.
        grain: σ of film grain that is added to the results, in grey levels.
        protect: a mask image of the region that stays as it is, or a folder with one for each photo.
        engine: what computes the network on a CPU, see ``i2i.load``.
        network_range: for ONNX and OpenVINO files of other programs, see ``i2i.load``.
        texture_mask: whether photos stay as they are where the model adds no texture, see ``i2i.load``.
        batch_size: images of one size in a batch; 0: chosen for the device.
        compile: whether to compile the network first.
        ray: convert on Ray: "local" starts it on this machine, "auto" is the cluster of this machine, else the address
            of a cluster.
        workers: workers on Ray; 0: one for each GPU, else for each CPU.
        progress: called with the number of photos done, failed (of those done) and in total.
        unknown: none: any other name is an error.

    Returns: what was converted, skipped and failed, with reasons. A photo that fails raises nothing.

    Raises:
        ArgumentTypeError: a TypeError: there is no such argument, or it has another type.
        UsageError: the model, a source or an option is not usable.
        I2IError: the results cannot be written.
        KeyboardInterrupt: Ctrl-C. The results so far are kept, and the same call continues.

    >>> i2i.convert("identity", "horse.jpg", "result.png")
    <Result: 1 converted, 0 skipped, 0 failed>
    >>> i2i.convert("identity", "horse.jpg", "result.png", dryrun=True)
    Traceback (most recent call last):
    ...
    i2i.errors.ArgumentTypeError: convert() has no argument 'dryrun'. Did you mean dry_run?
    """
    known = set(convert.__annotations__) - {"unknown", "return"}
    refuse_unknown("convert", unknown, known, _OTHER_NAMES)
    check_types(convert, locals())
    name, translator = _name_or_translator(model)
    if out is None and not explain:
        raise ArgumentTypeError("out is None; it must be a path.")
    paths = to_paths(sources, "sources")
    options = ConvertOptions(
        model=name, sources=paths, out=Path(os.devnull if out is None else out),
        direction=direction, format=format, quality=int(quality), lossless=lossless, depth=DEPTHS[depth],
        keep_profile=keep_profile,
        patterns=[pattern] if isinstance(pattern, str) else pattern, stack=stack, frames=frames,
        existing=existing_policy(overwrite, skip_existing), metadata=metadata, provenance=provenance,
        max_pixels=parse_pixels(str(max_pixels)), max_side=max_side and int(max_side),
        stabilize=stabilize,
        device=to_device_name(device), precision=precision, strength=degradation_level,
        mask=Path(mask) if mask is not None else None, mask_fill=mask_fill, value_range=value_range,
        blend=float(blend), grain=float(grain), protect=Path(protect) if protect is not None else None,
        engine=engine, network_range=network_range, texture_mask=texture_mask,
        batch_size=int(batch_size), compile=compile,
    )  # fmt: skip
    texts = [os.fspath(sources)] if isinstance(sources, str | os.PathLike) else [os.fspath(item) for item in sources]
    if out is not None and is_distributed(texts, os.fspath(out), ray):
        return _convert_distributed(options, translator, texts, os.fspath(out), ray, workers, dry_run, progress)
    if name == AUTO or explain:
        return run_auto(options, progress, dry_run=dry_run, explain=explain)
    return _run(options, translator, dry_run, progress)


def _convert_distributed(
    options: ConvertOptions,
    translator: "Translator | None",
    sources: Sequence[str],
    out: str,
    ray: str | None,
    workers: int,
    dry_run: bool,
    progress: Callable[[int, int, int], None],
) -> Result:
    if translator is not None:
        raise ArgumentTypeError("With addresses or ray, model is a name or a path: each worker loads it.")
    result = convert_distributed(
        options, sources, out, ray=ray, workers=int(workers), dry_run=dry_run, progress=progress
    )
    if result.stopped:
        raise KeyboardInterrupt
    return result


def _name_or_translator(model: Any) -> "tuple[str, Translator | None]":
    """Return the name or path of a model and None, or "" and a loaded translator."""
    if isinstance(model, str | os.PathLike):
        return os.fspath(model), None
    if hasattr(model, "padded_size"):  # a Translator: an import of its class would import torch
        return "", model
    raise ArgumentTypeError(
        f"model is {model!r}; it must be the name of a model, a path, or a Translator that i2i.load has returned."
    )


def _run(
    options: ConvertOptions, translator: "Translator | None", dry_run: bool, progress: Callable[[int, int, int], None]
) -> Result:
    with open_conversion(options, translator) as conversion:
        if dry_run:
            jobs, result = conversion.pending()
            result.planned = [(job.source, job.target) for job in jobs]
            return result
        result = conversion.convert_images(progress)
        if not result.stopped:
            result += conversion.convert_videos(lambda done, total: None, lambda job, video: None)
    if result.stopped:
        raise KeyboardInterrupt
    return result


class CallableModule(ModuleType):
    """The type of the package ``i2i.convert``: it holds the conversion, and ``i2i.convert(...)`` runs one."""

    __call__ = staticmethod(convert)
    __signature__ = inspect.signature(convert)
