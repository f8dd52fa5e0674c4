"""`i2i convert`."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from i2i.cli._outcome import exit_with_outcome, print_plan, print_result
from i2i.cli.console import log_line, printable

if TYPE_CHECKING:
    from i2i.convert import Job, Result
    from i2i.convert.conversion import Conversion
    from i2i.convert.video import VideoResult


def convert(
    model: Annotated[
        str,
        typer.Argument(
            help="name of a run, path of a model file (also .onnx, .xml and .pt2), hf://user/repo of the Hugging Face "
            "Hub, or identity; several in a row, such as denoise+superres2; or auto, which chooses among the installed "
            "restoration models for each photo"
        ),
    ],
    sources: Annotated[
        list[str],
        typer.Argument(
            help="photos, folders of photos with their subfolders, and videos; or addresses of photos and folders, "
            "such as s3://bucket/photos, gs:// and hf://"
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option(
            "--out",
            "-o",
            help="folder for the results, created if missing, or its address, such as s3://bucket/results; or the file "
            "name of the result, such as result.png or result.mp4, for a single photo or video",
            show_default=False,
        ),
    ] = None,
    direction: Annotated[
        str | None, typer.Option(help=r"AtoB or BtoA \[default: the model's first]", show_default=False)
    ] = None,
    format: Annotated[
        Literal["png", "jpg", "webp", "avif", "tif", "gif", "npy"] | None,
        typer.Option(
            help="file format of the results "
            r"\[default: that of --out NAME, else png; for images of other channels than RGB, see `i2i docs channels`]",
            show_default=False,
        ),
    ] = None,
    quality: Annotated[int, typer.Option(min=1, max=100, help="quality of jpg, webp and avif")] = 95,
    lossless: Annotated[bool, typer.Option("--lossless", help="webp and avif: store the pixels as they are")] = False,
    depth: Annotated[
        Literal["auto", "8", "16"],
        typer.Option(help="bits a channel of png and tif. auto: 16 if the file of the photo has more than 8"),
    ] = "auto",
    keep_profile: Annotated[
        bool,
        typer.Option(
            "--keep-profile",
            help="keep Display P3, Adobe RGB, ProPhoto or another RGB space of a photo, instead of sRGB",
        ),
    ] = False,
    pattern: Annotated[
        list[str] | None,
        typer.Option(
            help="in folders, convert only photos whose name matches, such as '*.jpg' or 'holiday/*'; may be repeated",
            show_default=False,
        ),
    ] = None,
    stack: Annotated[
        str,
        typer.Option(
            help="files in folders that form one image of several channels, such as '{stem}_{B02,B03,B04}.tif' "
            r"\[default: as in the model's training]",
            show_default=False,
        ),
    ] = "",
    frames: Annotated[
        Literal["first", "all", "each"],
        typer.Option(
            help="frames of animations, and pages of documents, to convert. all: into one result where the format "
            "holds several (tif; animations also gif, webp, png, avif); each: into its own result"
        ),
    ] = "first",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace existing results")] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="keep existing results, also those of another source or model")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="list what would be converted, and write nothing")] = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="auto: say what it chooses for each photo, and convert nothing")
    ] = False,
    metadata: Annotated[
        Literal["keep", "strip"],
        typer.Option(help="keep: copy the photo's metadata, such as camera and author, but never its location"),
    ] = "keep",
    provenance: Annotated[
        bool, typer.Option("--provenance/--no-provenance", help="name the model in the metadata of the results")
    ] = True,
    max_pixels: Annotated[
        str, typer.Option(help="pixels of the largest image that is read, such as 200MP", metavar="PIXELS")
    ] = "89MP",
    max_side: Annotated[
        int | None,
        typer.Option(
            min=16,
            metavar="PIXELS",
            help=r"downscale larger photos and videos to this many pixels on the longer side first \[default: off]",
            show_default=False,
        ),
    ] = None,
    stabilize: Annotated[
        bool, typer.Option("--stabilize", help="videos: less flicker, but slower reaction to changes")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps …")] = "auto",
    precision: Annotated[
        Literal["auto", "float32", "bfloat16"], typer.Option(help="auto: bfloat16 if the device is fast at it")
    ] = "auto",
    degradation_level: Annotated[
        float | None,
        typer.Option(
            help="strength of the degradation, for models that take it as input (noise σ in grey levels; JPEG quality)"
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            help="for inpainting models: an image that is white where to inpaint, and black or transparent elsewhere; "
            r"or a folder with one for each photo \[default: transparent pixels]",
            show_default=False,
        ),
    ] = None,
    mask_fill: Annotated[
        Literal["white", "black", "paint"],
        typer.Option(
            help="what masks mark. white: where they are white; black: where not; paint: where they have paint "
            "of any colour, on a transparent layer or on black"
        ),
    ] = "white",
    value_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LOW HIGH",
            help="values of black and white, such as 0 4095, for images of a type that can hold them "
            r"\[default: those of the model's training, else of the type]",
            show_default=False,
        ),
    ] = None,
    blend: Annotated[
        float, typer.Option(min=0, max=1, help="1: the result as it is; 0: the photo; in between: a mixture of the two")
    ] = 1.0,
    grain: Annotated[
        float, typer.Option(min=0, max=50, help="film grain to add to the results, σ on middle grey in grey levels")
    ] = 0.0,
    protect: Annotated[
        Path | None,
        typer.Option(
            help="an image that is white where the photo stays as it is, or a folder with one for each photo; "
            r"--mask-fill applies \[default: off]",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        Literal["auto", "torch", "onnxruntime", "openvino"] | None,
        typer.Option(
            help="what computes the network on a CPU. auto: the fastest that is installed and gives the results of "
            r"torch, which is measured once where there is much to do \[default: torch; for an exported file its own]",
            show_default=False,
        ),
    ] = None,
    network_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LOW HIGH",
            help="for ONNX and OpenVINO files of other programs: values of black and white that the network takes and "
            "returns, such as 0 1",
            show_default=False,
        ),
    ] = None,
    texture_mask: Annotated[
        bool | None,
        typer.Option(
            "--texture-mask/--no-texture-mask",
            help="keep the photo wherever the model adds no texture, such as stripes "
            r"\[default: as the model was made]",
            show_default=False,
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(min=0, help="images of one size in a batch; 0: chosen for the device")] = 0,
    compile: Annotated[
        bool, typer.Option("--compile", help="compile the network first; pays off for thousands of images of one size")
    ] = False,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="convert with many workers on Ray. local: start it on this machine; auto: the cluster of this "
            r"machine; else the address of a cluster, such as ray://head:10001 \[default: off]",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, help="workers on Ray; 0: one for each GPU of the cluster, else for each CPU")
    ] = 0,
    json: Annotated[bool, typer.Option("--json", help="print the outcome for every file as JSON")] = False,
) -> None:
    """Translate photos, folders of photos and videos, of any size, with a trained model.

    Results keep the folder tree of the sources. When the same command runs again, it converts only the photos whose
    result is missing or outdated. A photo that cannot be read is reported and skipped; the exit code is then 1. Files
    in folders that are no images are named at the end.

    [bold]Examples[/bold]

        i2i convert stripes-cyclegan datasets/stripes/testA --out striped/

        i2i convert horse2zebra-cyclegan zebra.jpg photos/ --out horses/ --direction BtoA --format jpg

        i2i convert horse2zebra-cyclegan horse.jpg --out zebra.png --max-side 1024

        i2i convert horse2zebra-cyclegan video.mp4 --out zebras.mp4 --stabilize

        i2i convert auto photos/ --out restored/
    """
    from i2i.cli._convert_auto import AUTO, convert_auto
    from i2i.cli._convert_distributed import convert_distributed, is_distributed
    from i2i.convert.conversion import open_conversion
    from i2i.convert.options import ConvertOptions, existing_policy, parse_pixels

    if out is None and not explain:
        raise typer.BadParameter(
            "It is missing. It names the folder or file for the results, such as --out results/.",
            param_hint="--out / -o",
        )
    options = ConvertOptions(
        model=model, sources=list(map(Path, sources)), out=Path(out or os.devnull), direction=direction, format=format,
        quality=quality, lossless=lossless, depth=depth, keep_profile=keep_profile,
        patterns=pattern or (), stack=stack, frames=frames, existing=existing_policy(overwrite, skip_existing),
        metadata=metadata, provenance=provenance, max_pixels=parse_pixels(max_pixels), max_side=max_side,
        stabilize=stabilize, device=device, precision=precision, strength=degradation_level, mask=mask,
        mask_fill=mask_fill, value_range=value_range, blend=blend, grain=grain,
        protect=protect, engine=engine, network_range=network_range, texture_mask=texture_mask,
        batch_size=batch_size, compile=compile,
    )  # fmt: skip
    if out is not None and is_distributed(sources, out, ray):
        convert_distributed(options, sources, out, ray=ray, workers=workers, dry_run=dry_run, json=json)
        return
    if workers > 1:
        raise typer.BadParameter("It needs --ray: without it, one process converts.", param_hint="--workers")
    if explain or model == AUTO:
        convert_auto(options, json=json, dry_run=dry_run, explain=explain)
        return
    with open_conversion(options) as conversion:
        if dry_run:
            jobs, result = conversion.pending()
            print_plan([(job.source, job.target) for job in jobs], result, json)
            return
        result = _convert_images(conversion, model)
    if not result.stopped:
        result += _convert_videos(conversion)
    print_result(result, options.out, json, conversion.translator.scale)
    exit_with_outcome(result)


def _convert_images(conversion: "Conversion", model: str) -> "Result":
    from i2i.cli._progress import ProgressBars

    title = f"{model} {conversion.translator.direction}"
    with ProgressBars(speed_unit="images") as bars:
        images = conversion.convert_images
        if not bars.visible:
            return images(lambda done, failed, total: None)
        with conversion.translator.report_progress(lambda fraction: bars.update_part("large image, %", fraction)):
            return images(lambda done, failed, total: bars.update(title, done, total, failed))


def _convert_videos(conversion: "Conversion") -> "Result":
    from i2i.cli._progress import ProgressBars

    def log_video(job: "Job", result: "VideoResult") -> None:
        log_line(
            "{}: {} frames; flicker where the source is still: {} levels of 255 from frame to frame",
            printable(job.target),
            result.frames,
            f"{result.flicker:.1f}",
        )

    title = conversion.translator.direction
    with ProgressBars(speed_unit="frames") as bars:
        return conversion.convert_videos(lambda done, total: bars.update(title, done, total or None), log_video)
