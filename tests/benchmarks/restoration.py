"""Measure denoising by the protocol of the papers, beside classical methods.

python -m tests.benchmarks.restoration MODEL … --methods identity nlm bm3d --sets kodak24 cbsd68 --sigmas 15 25 50

Gaussian noise is added to float images, without clipping or rounding. The result is rounded to 8 bit. PSNR is
computed over RGB on [0, 255] and averaged over the images (Zhang et al. 2018). The noise of an image depends only on
its name and σ. CBSD68 consists of those 68 of the 100 images in the `val` split of BSDS500 that cbsd68.txt names.
--camera 92 uses camera noise instead, saved as JPEG of that quality; σ is then that of green on middle grey. BM3D is
the package `bm3d`, which is not a dependency of i2i: `pip install bm3d`.
"""

import argparse
import json
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.data.layout import find_dataset
from i2i.device import autocast, disable_malloc_trim
from i2i.images import read
from i2i.inference.loading import load
from i2i.inference.translator import Translator
from i2i.restoration.jpeg import jpeg_compress
from i2i.restoration.noise import add_camera_noise

PUBLISHED = {  # σ = 15 / 25 / 50, as reported in the FFDNet (2018) and DRUNet (2021) papers
    "CBM3D": {"cbsd68": (33.52, 30.71, 27.38), "kodak24": (34.28, 31.68, 28.46)},
    "DnCNN": {"cbsd68": (33.90, 31.24, 27.95), "kodak24": (34.60, 32.14, 28.95)},
    "FFDNet": {"cbsd68": (33.87, 31.21, 27.96), "kodak24": (34.63, 32.13, 28.98)},
    "DRUNet": {"cbsd68": (34.30, 31.69, 28.51), "kodak24": (35.31, 32.89, 29.86)},
}
Method = Callable[[np.ndarray, float], np.ndarray]  # float32 (H, W, 3) in grey levels and σ → the same, denoised


def identity(noisy: np.ndarray, sigma: float) -> np.ndarray:
    return noisy


def nlm(noisy: np.ndarray, sigma: float) -> np.ndarray:
    """OpenCV's non-local means, which takes 8 bit. The strength is the best of 0.2 to 3 σ on three training photos."""
    import cv2

    pixels = noisy.round().clip(0, 255).astype(np.uint8)
    return cv2.fastNlMeansDenoisingColored(pixels, None, 0.55 * sigma, 0.55 * sigma, 7, 21).astype(np.float32)


def bm3d(noisy: np.ndarray, sigma: float) -> np.ndarray:
    from bm3d import bm3d_rgb

    return (bm3d_rgb(noisy / 255.0, sigma / 255.0) * 255.0).astype(np.float32)


def padded_forward(model: nn.Module, image: Tensor, multiple: int) -> Tensor:
    """Run ``model`` on an image (1, 3, H, W), padded by reflection to multiples of ``multiple`` pixels, and crop."""
    height, width = image.shape[2:]
    padded = F.pad(image, (0, -width % multiple, 0, -height % multiple), mode="reflect")
    return model(padded)[..., :height, :width]


def network_method(translator: Translator) -> Method:
    """Return a trained model as a method that takes float images, as the protocol requires."""

    @torch.inference_mode()
    def denoise(noisy: np.ndarray, sigma: float) -> np.ndarray:
        image = torch.from_numpy(noisy).permute(2, 0, 1)[None].to(translator.device) / 127.5 - 1
        with autocast(translator.device, translator.dtype):
            restored = padded_forward(translator.network, image, 64)
        return ((restored[0].permute(1, 2, 0).float().cpu() + 1) * 127.5).numpy()

    return denoise


def find_photos(name: str) -> list[Path]:
    root = find_dataset("kodak24" if name == "kodak24" else "bsds500")
    assert root is not None, f"{name} is in no folder of $I2I_DATASETS"
    if name == "kodak24":
        return sorted(root.glob("*.png"))
    return [root / "val" / f"{stem}.jpg" for stem in Path(__file__).with_name("cbsd68.txt").read_text().split()]


def add_noise(clean: np.ndarray, path: Path, sigma: float, quality: int = 0) -> np.ndarray:
    """Return an image with Gaussian noise; with a JPEG quality, with camera noise saved as JPEG."""
    rng = np.random.default_rng([zlib.crc32(path.stem.encode()), int(sigma)])
    if quality:
        return jpeg_compress(add_camera_noise(clean, sigma, rng).round().astype(np.uint8), quality).astype(np.float32)
    return (clean + sigma * rng.standard_normal(clean.shape)).astype(np.float32)


def psnr(result: np.ndarray, clean: np.ndarray) -> float:
    error = np.square(result.round().clip(0, 255).astype(np.float64) - clean).mean()
    return float(10 * np.log10(255**2 / error))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--methods", nargs="*", default=["identity", "nlm"], choices=["identity", "nlm", "bm3d"])
    parser.add_argument("--sets", nargs="*", default=["kodak24", "cbsd68"], choices=["kodak24", "cbsd68"])
    parser.add_argument("--sigmas", nargs="*", type=float, default=[15, 25, 50])
    parser.add_argument(
        "--camera", type=int, default=0, metavar="QUALITY", help="use camera noise, saved as JPEG of this quality"
    )
    parser.add_argument(
        "--images", type=int, default=0, help="use only this many images of a set, evenly spaced; 0: all"
    )
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--out", type=Path, help="file for all numbers, as JSON")
    args = parser.parse_args()
    disable_malloc_trim()
    methods: dict[str, Method] = {name: {"identity": identity, "nlm": nlm, "bm3d": bm3d}[name] for name in args.methods}
    for model in args.models:
        methods[model] = network_method(load(model, device="cpu", precision=args.precision))
    rows: list[dict[str, object]] = []
    for name in args.sets:
        paths = find_photos(name)
        if args.images:
            paths = paths[:: max(1, len(paths) // args.images)][: args.images]
        clean = {path: np.asarray(read(path)) for path in paths}
        for method, denoise in methods.items():
            for sigma in args.sigmas:
                start = time.perf_counter()
                values = []
                for path in paths:
                    noisy = add_noise(clean[path], path, sigma, args.camera)
                    values.append(psnr(denoise(noisy, sigma), clean[path]))
                seconds = (time.perf_counter() - start) / len(paths)
                mean = float(np.mean(values))
                rows.append({"set": name, "method": method, "sigma": sigma, "psnr": round(mean, 3),
                              "images": len(paths), "seconds": round(seconds, 2)})  # fmt: skip
                print(f"{name} {method} σ {sigma:g}: {mean:.2f} dB ({len(paths)} images, {seconds:.2f} s each)",
                      flush=True)  # fmt: skip
    if args.out:
        args.out.write_text(json.dumps({"found": rows, "published": PUBLISHED}, indent=1) + "\n")


if __name__ == "__main__":
    main()
