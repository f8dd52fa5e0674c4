"""Measure restoration models on photos, beside the unchanged input: a table and a grid of images.

python -m tests.benchmarks.tasks MODEL … --out DIR [--set kodak24] [--strengths 10 20 40] [--images 6] [--defaults]

The photos are the 24 of Kodak, or the 100 of `val` in BSDS500, which are BSD100 of the papers on super-resolution: the
test images of BSDS300.

Each photo is degraded by the model's task, reproducibly, with the settings of its training or, with `--defaults`, with
the default settings of the task. It is restored as by `i2i convert`, and compared with the original: PSNR over RGB and
over Y, SSIM over Y (Wang et al. 2004), LPIPS. For super-resolution the baselines are bicubic and
Lanczos resizing, and a border of `scale` pixels is excluded, as usual.
"""

import argparse
import json
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from i2i.checkpoints.model_file import find_model_file, load_model_info
from i2i.config import to_json
from i2i.data.layout import find_dataset
from i2i.device import disable_malloc_trim
from i2i.images import labelled_grid, read, to_float
from i2i.inference.loading import load
from i2i.inference.restoration import task_of
from i2i.inference.translator import Translator
from i2i.losses.perceptual import LPIPSLoss
from i2i.restoration import Task

CROP_SIZE = 256  # side in pixels of the crops in a grid


def degrade(task: Task, clean: np.ndarray, path: Path, strength: float | None) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(path.stem.encode()))
    return task.degrade(clean, rng, strength).round().clip(0, 255).astype(np.uint8)


def restore(translator: Translator, task: Task, degraded: np.ndarray) -> np.ndarray:
    if task.conditioning == "mask":
        pixels = np.concatenate([degraded[..., :3], 255 - degraded[..., 3:]], 2)
    else:
        pixels = degraded[..., :3]
    return np.asarray(translator(Image.fromarray(pixels)))


def telea(degraded: np.ndarray) -> np.ndarray:
    """Return the image inpainted by OpenCV (Telea 2004)."""
    import cv2

    return cv2.inpaint(np.ascontiguousarray(degraded[..., :3]), degraded[..., 3], 3, cv2.INPAINT_TELEA)


def enlarge(degraded: np.ndarray, size: tuple[int, int], resampling: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(degraded[..., :3]).resize(size, resampling))


def luma(pixels: np.ndarray) -> np.ndarray:
    """Return Y of ITU-R BT.601 in its studio range, 16 to 235, as in the super-resolution papers."""
    return 16 + pixels.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-6, np.square(a.astype(np.float64) - b).mean())))


def measure(
    result: np.ndarray, clean: np.ndarray, border: int, lpips: Callable[[Tensor, Tensor], Tensor]
) -> list[float]:
    """Return PSNR, PSNR of Y, SSIM of Y and LPIPS of a result, without a border of ``border`` pixels."""
    from kornia.metrics import ssim

    inside = slice(border, -border or None)
    result, clean = result[inside, inside], clean[inside, inside]
    y, target_y = (torch.from_numpy(luma(pixels) / 255)[None, None] for pixels in (result, clean))
    images = (to_float(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]) for pixels in (result, clean))
    with torch.no_grad():
        return [psnr(result, clean), psnr(luma(result), luma(clean)),
                float(ssim(y, target_y, 11, padding="valid").mean()), float(lpips(*images))]  # fmt: skip


def evaluate(
    model: str, strength: float | None, paths: list[Path], out: Path, defaults: bool
) -> list[dict[str, object]]:
    """Return the table rows of one model at one strength, and write its grid into ``out``."""
    task = task_of(model, load_model_info(find_model_file(model)))
    task = type(task)() if defaults else task
    task_name = to_json(task)["task"]
    level = strength if task.conditioning == "level" else None
    translator = load(model, device="cpu", strength=level)
    lpips = LPIPSLoss()
    numbers: dict[str, list[list[float]]] = {}
    crops: dict[str, list[np.ndarray]] = {}
    for path in paths:
        clean = np.asarray(read(path))
        clean = clean[: clean.shape[0] // task.scale * task.scale, : clean.shape[1] // task.scale * task.scale]
        degraded = degrade(task, clean, path, strength)
        size = (clean.shape[1], clean.shape[0])
        results = {"input": degraded[..., :3]}
        if task.conditioning == "mask":
            results["telea"] = telea(degraded)
        if task.scale > 1:
            results = {"bicubic": enlarge(degraded, size, Image.Resampling.BICUBIC),
                       "lanczos": enlarge(degraded, size, Image.Resampling.LANCZOS)}  # fmt: skip
        results[task_name] = restore(translator, task, degraded)
        for name, result in results.items():
            border = task.scale if task.scale > 1 else 0
            numbers.setdefault(name, []).append(measure(result, clean, border, lpips))
        top, left = (max(0, (length - CROP_SIZE) // 2) for length in clean.shape[:2])
        for name, result in {**results, "target": clean}.items():
            crops.setdefault(name, []).append(result[top : top + CROP_SIZE, left : left + CROP_SIZE])
    label = f"{task_name}-{task.scale}x" if task.scale > 1 else task_name
    label += "" if strength is None else f"-{strength:g}"
    cells = [np.stack(column[:8]) for column in crops.values()]
    labelled_grid(cells, list(crops)).save(out / f"{label}.png")
    rows: list[dict[str, object]] = []
    for name, values in numbers.items():
        mean = np.mean(values, 0)
        metrics = dict(zip(("psnr", "psnr_y", "ssim_y", "lpips"), (round(float(v), 4) for v in mean), strict=True))
        rows.append({"task": label, "method": name, "images": len(values), **metrics})
        print(
            f"{label} {name}: PSNR {mean[0]:.2f}, on Y {mean[1]:.2f}, SSIM {mean[2]:.4f}, LPIPS {mean[3]:.3f}",
            flush=True,
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--strengths", nargs="*", type=float, default=[], help="default: a random one for each photo")
    parser.add_argument("--set", choices=["kodak24", "bsd100"], default="kodak24")
    parser.add_argument("--images", type=int, default=100, help="use at most this many images, evenly spaced")
    parser.add_argument("--defaults", action="store_true", help="degrade with the default settings of the task")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    disable_malloc_trim()
    root = find_dataset("bsds500" if args.set == "bsd100" else args.set)
    assert root is not None, f"{args.set} is in no folder of $I2I_DATASETS"
    paths = sorted((root / "val").glob("*.jpg") if args.set == "bsd100" else root.glob("*.png"))
    paths = paths[:: max(1, len(paths) // args.images)][: args.images]
    args.out.mkdir(parents=True, exist_ok=True)
    rows = [
        row
        for model in args.models
        for strength in args.strengths or [None]
        for row in evaluate(model, strength, paths, args.out, args.defaults)
    ]
    (args.out / "table.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
