"""What a restoration model makes of the 24 Kodak photos, beside doing nothing: numbers and a grid.

python -m tests.benchmarks.tasks MODEL … --out DIR [--strengths 10 20 40] [--pictures 6]

Each photo is degraded by the model's own task, alike each time, restored as `i2i convert` would, and held against the
truth: PSNR over RGB and over Y, SSIM over Y (Wang et al. 2004), LPIPS. For larger pictures the input is enlarged, by
bicubic and by Lanczos, and a border of `scale` pixels does not count, as is the custom.
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

from i2i.checkpoints.run import find_bundle, load_header
from i2i.config import from_json
from i2i.data.layout import locate
from i2i.device import keep_memory
from i2i.images import read, sheet, to_float
from i2i.inference.translator import Translator, load
from i2i.losses.perceptual import Perceptual
from i2i.restoration import TASKS, Task

SHOWN = 256  # pixels a side of the crops in a grid


def degraded(task: Task, clean: np.ndarray, path: Path, strength: float | None) -> np.ndarray:
    rng = np.random.default_rng(zlib.crc32(path.stem.encode()))
    return task.degrade(clean, rng, strength).round().clip(0, 255).astype(np.uint8)


def restored(translator: Translator, task: Task, given: np.ndarray) -> np.ndarray:
    if task.shows == "mask":
        given = np.concatenate([given[..., :3], 255 - given[..., 3:]], 2)
    else:
        given = given[..., :3]
    return np.asarray(translator(Image.fromarray(given)))


def telea(given: np.ndarray) -> np.ndarray:
    """The holes filled by OpenCV, after Telea 2004."""
    import cv2

    return cv2.inpaint(np.ascontiguousarray(given[..., :3]), given[..., 3], 3, cv2.INPAINT_TELEA)


def enlarged(given: np.ndarray, size: tuple[int, int], how: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(given[..., :3]).resize(size, how))


def luma(pixels: np.ndarray) -> np.ndarray:
    """Y of ITU-R BT.601 in its studio range, 16 to 235, as the papers on superresolution have it."""
    return 16 + pixels.astype(np.float64) @ np.array([65.481, 128.553, 24.966]) / 255


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(1e-6, np.square(a.astype(np.float64) - b).mean())))


def measured(
    result: np.ndarray, clean: np.ndarray, border: int, lpips: Callable[[Tensor, Tensor], Tensor]
) -> list[float]:
    from kornia.metrics import ssim

    inside = slice(border, -border or None)
    result, clean = result[inside, inside], clean[inside, inside]
    y, truth = (torch.from_numpy(luma(pixels) / 255)[None, None] for pixels in (result, clean))
    as_pictures = (to_float(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None]) for pixels in (result, clean))
    with torch.no_grad():
        return [psnr(result, clean), psnr(luma(result), luma(clean)),
                float(ssim(y, truth, 11, padding="valid").mean()), float(lpips(*as_pictures))]  # fmt: skip


def evaluate(model: str, strength: float | None, paths: list[Path], out: Path) -> list[dict[str, object]]:
    """The rows of the table of one model at one strength; its grid is written into ``out``."""
    header = load_header(find_bundle(model))
    task = from_json(TASKS[header["task"]["task"]], header["task"], "task")
    told = strength if task.shows == "level" else None
    translator, lpips = load(model, device="cpu", strength=told), Perceptual()
    numbers: dict[str, list[list[float]]] = {}
    shown: dict[str, list[np.ndarray]] = {}
    for path in paths:
        clean = np.asarray(read(path))
        clean = clean[: clean.shape[0] // task.scale * task.scale, : clean.shape[1] // task.scale * task.scale]
        given, size = degraded(task, clean, path, strength), (clean.shape[1], clean.shape[0])
        rows = {"input": given[..., :3]}
        if task.shows == "mask":
            rows["telea"] = telea(given)
        if task.scale > 1:
            rows = {"bicubic": enlarged(given, size, Image.Resampling.BICUBIC),
                    "lanczos": enlarged(given, size, Image.Resampling.LANCZOS)}  # fmt: skip
        rows[task.task] = restored(translator, task, given)
        for name, result in rows.items():
            border = task.scale if task.scale > 1 else 0
            numbers.setdefault(name, []).append(measured(result, clean, border, lpips))
        top, left = (max(0, (length - SHOWN) // 2) for length in clean.shape[:2])
        for name, result in {**rows, "truth": clean}.items():
            shown.setdefault(name, []).append(result[top : top + SHOWN, left : left + SHOWN])
    label = f"{task.task}-{task.scale}x" if task.scale > 1 else task.task
    label += "" if strength is None else f"-{strength:g}"
    cells = [np.stack(column[:8]) for column in shown.values()]
    sheet(cells, list(shown)).save(out / f"{label}.png")
    found = []
    for name, values in numbers.items():
        mean = np.mean(values, 0)
        row = dict(zip(("psnr", "psnr_y", "ssim_y", "lpips"), (round(float(v), 4) for v in mean), strict=True))
        found.append({"task": label, "method": name, "pictures": len(values), **row})
        print(
            f"{label} {name}: PSNR {mean[0]:.2f}, on Y {mean[1]:.2f}, SSIM {mean[2]:.4f}, LPIPS {mean[3]:.3f}",
            flush=True,
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--strengths", nargs="*", type=float, default=[], help="default: what each photo draws")
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    keep_memory()
    root = locate("kodak24")
    assert root is not None, "kodak24 is in no folder of $I2I_DATASETS"
    paths = sorted(root.glob("*.png"))
    paths = paths[:: max(1, len(paths) // given.pictures)][: given.pictures]
    given.out.mkdir(parents=True, exist_ok=True)
    found = [
        row
        for model in given.models
        for strength in given.strengths or [None]
        for row in evaluate(model, strength, paths, given.out)
    ]
    (given.out / "table.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
