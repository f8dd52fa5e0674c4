"""The program that `i2i models export` prints: use of the file without i2i."""

from pathlib import Path

from i2i.engines.formats import INPUT_NAME, ExportFormat
from i2i.engines.metadata import ExportInfo

_OPEN = {
    "onnx": ("import onnxruntime", 'session = onnxruntime.InferenceSession("{file}")',
             'result = session.run(None, {{"' + INPUT_NAME + '": image}})[0]'),
    "openvino": ("import openvino",
                 'model = openvino.compile_model("{file}", "CPU", {{"INFERENCE_PRECISION_HINT": "f32"}})',
                 "result = model(image)[0]"),
    "pt2": ("import torch", 'model = torch.export.load("{file}").module()',
            "result = model(torch.from_numpy(image)).numpy()"),
    "executorch": ("import torch\nfrom executorch.runtime import Runtime",
                   'model = Runtime.get().load_program("{file}").load_method("forward")',
                   "result = model.execute([torch.from_numpy(image)])[0].numpy()"),
}  # fmt: skip


def usage_example(format: ExportFormat, file: Path, export: ExportInfo) -> str:
    """Return a Python program that translates photo.jpg to result.png with an exported file and without i2i.

    Args:
        format: of the file.
        file: its path, which the program opens.
        export: its metadata.
    """
    import_line, open_line, run_line = _OPEN[format]
    multiple = export.size_multiple
    photo = 'photo = Image.open("photo.jpg").convert("RGB")'
    if getattr(export.config, "prediction", "") == "chroma":
        photo = (
            'photo = Image.open("photo.jpg").convert("L").convert("RGB")  # trained on a shorter side of '
            f"{export.info.size}"
        )
    lines = [
        "import numpy as np",
        import_line,
        "from PIL import Image",
        "",
        open_line.format(file=file.as_posix()),
        photo,
        f"width, height = (side // {multiple} * {multiple} for side in photo.size)  # multiples of {multiple}",
        "pixels = np.asarray(photo.crop((0, 0, width, height)), np.float32) / 127.5 - 1  # (H, W, 3) in [-1, 1]",
        *_fourth_channel(export),
        "image = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])  # (1, C, H, W)",
        run_line.format(),
        "levels = ((result[0].transpose(1, 2, 0) + 1) * 127.5).round().clip(0, 255).astype(np.uint8)",
        'Image.fromarray(levels).save("result.png")',
    ]
    return "\n".join(lines) + "\n"


def _fourth_channel(export: ExportInfo) -> list[str]:
    if export.conditioning == "level":
        return [
            "level = np.full((height, width, 1), 0.0, np.float32)  # degradation: -1 the weakest, 1 the strongest",
            "pixels = np.concatenate([pixels, level], 2)",
        ]
    if export.conditioning == "mask":
        return [
            'mask = np.asarray(Image.open("mask.png").convert("L").crop((0, 0, width, height)))  # white: to be filled',
            "pixels = np.concatenate([pixels, (mask > 127)[..., None] * np.float32(2) - 1], 2)",
        ]
    return []
