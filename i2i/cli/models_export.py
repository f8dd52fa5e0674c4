"""`i2i models export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from i2i.cli.console import log_line, printable, stdout

if TYPE_CHECKING:
    from i2i.engines.formats import ExportFormat
    from i2i.engines.quantization import Quantization

Format = Literal["i2i", "onnx", "openvino", "pt2", "executorch"]
OTHER_SUFFIXES = (  # of model files that a user may expect
    ".bin", ".ckpt", ".engine", ".h5", ".keras", ".mlmodel", ".mlpackage", ".pb", ".pt", ".pth", ".ptl", ".safetensors",
    ".tflite", ".torchscript", ".zip",
)  # fmt: skip


def export(
    model: Annotated[str, typer.Argument(help="name of a run, or path of a model file")],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o",
            help="i2i: folder to create, whose name is the model's name; other formats: the new file, such as "
            "zebra.onnx or zebra.xml, or the folder for it",
        ),
    ],
    format: Annotated[
        Format | None,
        typer.Option(
            help="i2i: model file and card, to share; onnx: for onnxruntime and many other programs; openvino: .xml "
            "and .bin; pt2: for torch.export.load; executorch: .pte, for phones "
            r"\[default: that of the ending of --out, else i2i]",
            show_default=False,
        ),
    ] = None,
    direction: Annotated[
        str | None,
        typer.Option(help=r"formats other than i2i: AtoB or BtoA \[default: the model's first]", show_default=False),
    ] = None,
    half: Annotated[
        bool | None,
        typer.Option(
            "--half/--full",
            help=r"weights in float16, half the size, or in float32 \[default: half for i2i, else full]",
            show_default=False,
        ),
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="onnx and openvino: compute in int8, calibrated on photos of --calibration")
    ] = False,
    calibration: Annotated[
        Path | None,
        typer.Option(
            help="folder of photos for --int8, as the model will get them; for a restoration model undamaged photos, "
            "which it degrades as in its training",
            show_default=False,
        ),
    ] = None,
    max_loss: Annotated[
        float | None,
        typer.Option(
            min=0,
            help=r"for a restoration model: dB of PSNR that --int8 may cost on the photos \[default: 0.1]",
            show_default=False,
        ),
    ] = None,
    min_psnr: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="for other models: PSNR in dB that results of --int8 must have, measured against those of float32 "
            r"\[default: 35]",
            show_default=False,
        ),
    ] = None,
    without_dropout: Annotated[
        bool,
        typer.Option(
            "--without-dropout", help="formats other than i2i: leave out dropout, of models that use it at inference"
        ),
    ] = False,
    max_side: Annotated[
        int | None,
        typer.Option(
            min=16, max=8192,
            help="executorch: largest height and width of an input, in pixels. The program reserves memory for it "
            r"\[default: 512]",
            show_default=False,
        ),
    ] = None,
) -> None:  # fmt: skip
    """Copy a model out of its run, to share it or to run it without i2i.

    A file for another runtime takes any batch, height and width (of ExecuTorch up to --max-side), and holds in its
    metadata how to use it. Its results are compared to those of torch at five sizes: a file that differs by more than
    one level of 255 is not written. A program that uses it without i2i is printed.

    [bold]Examples[/bold]

        i2i models export stripes-cyclegan --out stripes

        i2i models export stripes-cyclegan --out stripes.onnx --direction BtoA

        i2i models export denoise --out exported --format openvino --half
    """
    from i2i.engines.formats import format_of_path
    from i2i.errors import UsageError

    found = format_of_path(out)
    chosen = format or found or "i2i"
    if found not in (None, chosen):
        raise UsageError(f"--out {out} and --format {chosen} name different formats: omit --format.")
    if format is None and out.suffix.lower() in OTHER_SUFFIXES:
        raise UsageError(
            f"--out {out}: i2i exports no {out.suffix} files. The endings are .onnx, .xml for OpenVINO, .pt2 for torch "
            "and .pte for ExecuTorch; a name without one is a folder for the model file and its card."
        )
    if max_side is not None and chosen != "executorch":
        raise UsageError("--max-side is for the format executorch. The other formats take images of any size.")
    if half and chosen == "executorch":
        raise UsageError("--half is not for the format executorch, whose convolutions take weights in float32.")
    if chosen == "i2i":
        if direction or int8 or without_dropout:
            raise UsageError("--direction, --int8 and --without-dropout are for other runtimes: give --format.")
        _export_i2i(model, out, half=half is not False)
        return
    quantization = _quantization(chosen, int8, half, calibration, max_loss, min_psnr)
    _export_other(
        model, out, chosen, direction, half=bool(half), without_dropout=without_dropout, max_side=max_side or 512,
        quantization=quantization,
    )  # fmt: skip


def _export_i2i(model: str, out: Path, *, half: bool) -> None:
    from i2i.checkpoints.model_card import copy_card
    from i2i.checkpoints.model_file import find_model_file, load_model_file, save_model_file, to_half
    from i2i.errors import UsageError
    from i2i.images.files import remove_unfinished

    target = out / "weights.safetensors"
    if target.exists():
        raise UsageError(f"{target} exists already; nothing is overwritten. Choose another --out.")
    path = find_model_file(model)
    model_file = load_model_file(path)
    _make_folder(out)
    remove_unfinished([out])
    copy_card(path, out, model_file.info)
    save_model_file(target, to_half(model_file) if half else model_file)  # last: it says that the export is complete
    log_line("{} ({} MB)", target, round(target.stat().st_size / 1e6, 1))


def _export_other(
    model: str,
    out: Path,
    format: "ExportFormat",
    direction: str | None,
    *,
    half: bool,
    without_dropout: bool,
    max_side: int,
    quantization: "Quantization | None",
) -> None:
    from i2i.checkpoints.model_file import find_model_file, load_any_model_info
    from i2i.engines.example import usage_example
    from i2i.engines.export import ExportOptions, check_packages, check_target, export_model, export_path

    check_packages(format)
    path = find_model_file(model)
    directions = len(load_any_model_info(path).directions)
    target = export_path(out, format, path, direction, directions)
    check_target(target)
    _make_folder(target.parent)
    options = ExportOptions(
        format=format, direction=direction, half=half, without_dropout=without_dropout, max_side=max_side,
        quantize=quantization.quantize if quantization is not None else None,
    )  # fmt: skip
    export = export_model(path, target, options)
    files = [target, target.with_suffix(".bin")] if format == "openvino" else [target]
    for file in files:
        log_line("{} ({} MB)", printable(file), round(file.stat().st_size / 1e6, 1))
    log_line("largest difference from torch at five sizes: {} levels of 255", f"{export.difference * 127.5:.2g}")
    if quantization is not None:
        log_line("{}", quantization.outcome)
    log_line("Use without i2i:")
    stdout.print(usage_example(format, target, export), markup=False, highlight=False, soft_wrap=True, end="")


def _quantization(
    format: "ExportFormat",
    int8: bool,
    half: bool | None,
    calibration: Path | None,
    max_loss: float | None,
    min_psnr: float | None,
) -> "Quantization | None":
    """Return how the model is quantised; None if it is not. Raises UsageError for options that do not fit."""
    from i2i.engines.formats import require_package
    from i2i.errors import UsageError

    if not int8:
        if calibration is not None or max_loss is not None or min_psnr is not None:
            raise UsageError("--calibration, --max-loss and --min-psnr are for --int8.")
        return None
    if format in ("pt2", "executorch"):
        raise UsageError("--int8 is for the formats onnx and openvino.")
    if half:
        raise UsageError("--int8 and --half name different weights: use only one of them.")
    if calibration is None:
        raise UsageError("--int8 needs photos: give --calibration FOLDER.")
    require_package("openvino", "int8 models")
    from i2i.engines.quantization import Quantization

    return Quantization(calibration, format, max_loss, min_psnr)


def _make_folder(folder: Path) -> None:
    from i2i.errors import WriteError, io_errors

    with io_errors(folder, "could not be created", error_type=WriteError, advice="Choose another --out."):
        folder.mkdir(parents=True, exist_ok=True)
