"""Measure denoising by the protocol of the papers and on files as people have them, beside classical methods.

python -m tests.benchmarks.restoration MODEL … --methods identity nlm bm3d --sets kodak24 cbsd68 --sigmas 15 25 50
python -m tests.benchmarks.restoration MODEL … --noise clipped grey grain camera clean
python -m tests.benchmarks.restoration MODEL … --noise clipped --sets black fields text

--noise says what a method gets:
  published  Gaussian noise on float images, neither clipped nor rounded (Zhang et al. 2018); colour photos
  clipped    the same noise, clipped and rounded to 8 bits as a file holds it
  grey       a grey photo with such noise of one channel, as a file
  grain      a colour photo with noise that is equal in R, G and B, as a file
  camera     camera noise saved as JPEG (--camera-quality); σ is that of green on middle grey
  reduced    the same noise, smoothed as cameras do, saved as JPEG; σ is that before the smoothing
  clean      the photo itself; σ does not matter
The result is rounded to 8 bits. PSNR is computed over RGB on [0, 255] and averaged over the images; the mean absolute
error is in grey levels. The noise of an image depends only on its name and σ. CBSD68 consists of those 68 of the 100
images in the `val` split of BSDS500 that cbsd68.txt names. The sets black (one black field), fields (flat colours and
gradients) and text are drawn. BM3D is the package `bm3d`, which is not a dependency of i2i: `pip install bm3d`.
"""

import argparse
import itertools
import json
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from i2i.data.drawn_crops import draw_flat_field, draw_text
from i2i.data.layout import find_dataset
from i2i.device import autocast, disable_malloc_trim
from i2i.images import read
from i2i.inference.loading import load
from i2i.inference.translator import Translator
from i2i.restoration.colorize import to_grayscale
from i2i.restoration.jpeg import jpeg_compress
from i2i.restoration.noise import add_camera_noise

PUBLISHED = {  # σ = 15 / 25 / 50, as reported in the FFDNet (2018) and DRUNet (2021) papers
    "CBM3D": {"cbsd68": (33.52, 30.71, 27.38), "kodak24": (34.28, 31.68, 28.46)},
    "DnCNN": {"cbsd68": (33.90, 31.24, 27.95), "kodak24": (34.60, 32.14, 28.95)},
    "FFDNet": {"cbsd68": (33.87, 31.21, 27.96), "kodak24": (34.63, 32.13, 28.98)},
    "DRUNet": {"cbsd68": (34.30, 31.69, 28.51), "kodak24": (35.31, 32.89, 29.86)},
}
NOISES = ("published", "clipped", "grey", "grain", "camera", "reduced", "clean")
DRAWN: dict[str, Callable[[np.random.Generator], np.ndarray]] = {
    "black": lambda rng: np.zeros((256, 256, 3), np.uint8),
    "fields": lambda rng: draw_flat_field(256, rng),
    "text": lambda rng: draw_text(256, rng),
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


def file_method(translator: Translator) -> Method:
    """Return a trained model as a method that takes 8-bit images, as ``i2i convert`` does."""

    def denoise(noisy: np.ndarray, sigma: float) -> np.ndarray:
        return np.asarray(translator(Image.fromarray(noisy.astype(np.uint8)))).astype(np.float32)

    return denoise


def network_method(translator: Translator) -> Method:
    """Return a trained model as a method that takes float images, as the published protocol requires."""

    @torch.inference_mode()
    def denoise(noisy: np.ndarray, sigma: float) -> np.ndarray:
        image = torch.from_numpy(noisy).permute(2, 0, 1)[None].to(translator.device) / 127.5 - 1
        with autocast(translator.device, translator.dtype):
            restored = padded_forward(translator.network, image, 64)
        return ((restored[0].permute(1, 2, 0).float().cpu() + 1) * 127.5).numpy()

    return denoise


def load_set(name: str, count: int) -> dict[str, np.ndarray]:
    """Return name → clean image, uint8 (H, W, 3), of ``count`` images of a set, evenly spaced; of all if it is 0."""
    if name in DRAWN:
        rng = np.random.default_rng(0)
        return {f"{name}-{index}": DRAWN[name](rng) for index in range(1 if name == "black" else 16)}
    root = find_dataset("kodak24" if name == "kodak24" else "bsds500")
    assert root is not None, f"{name} is in no folder of $I2I_DATASETS"
    if name == "kodak24":
        paths = sorted(root.glob("*.png"))
    else:
        names = Path(__file__).with_name("cbsd68.txt").read_text().split()
        paths = [root / "val" / f"{stem}.jpg" for stem in names]
    if count:
        paths = paths[:: max(1, len(paths) // count)][:count]
    return {path.stem: np.asarray(read(path)) for path in paths}


def degrade(clean: np.ndarray, name: str, noise: str, sigma: float, quality: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the target and what a method gets, float32 (H, W, 3) in grey levels.

    Args:
        clean: uint8 (H, W, 3).
        name: of the image; the noise depends on it and on σ.
        noise: one of ``NOISES``.
        sigma: σ of the noise, in grey levels.
        quality: JPEG quality of camera noise.
    """
    rng = np.random.default_rng([zlib.crc32(name.encode()), int(sigma)])
    if noise == "clean":
        return clean, clean.astype(np.float32)
    if noise in ("camera", "reduced"):
        noisy = add_camera_noise(clean, sigma, rng, noise_reduction=noise == "reduced").round().astype(np.uint8)
        return clean, jpeg_compress(noisy, quality).astype(np.float32)
    if noise == "grey":
        clean = to_grayscale(clean)
    one_channel = noise in ("grey", "grain")
    shape = (*clean.shape[:2], 1 if one_channel else 3)
    noisy = (clean + sigma * rng.standard_normal(shape)).astype(np.float32)
    return clean, noisy if noise == "published" else noisy.round().clip(0, 255)


def psnr(result: np.ndarray, clean: np.ndarray) -> float:
    """Return the PSNR in dB, at most 100, which equal images have."""
    error = np.square(result.round().clip(0, 255).astype(np.float64) - clean).mean()
    return min(float(10 * np.log10(255**2 / max(error, 1e-9))), 100.0)


def measure(
    denoise: Method, images: dict[str, np.ndarray], noise: str, sigma: float, quality: int
) -> dict[str, float | int]:
    """Return PSNR in dB and mean absolute error in grey levels, averaged over the images, and the time of each."""
    start = time.perf_counter()
    ratios, errors = [], []
    for name, image in images.items():
        clean, noisy = degrade(image, name, noise, sigma, quality)
        result = denoise(noisy, sigma).round().clip(0, 255)
        ratios.append(psnr(result, clean))
        errors.append(float(np.abs(result - clean).mean()))
    seconds = (time.perf_counter() - start) / len(images)
    return {"psnr": round(float(np.mean(ratios)), 3), "worst": round(min(ratios), 3),
            "error": round(float(np.mean(errors)), 3), "images": len(images), "seconds": round(seconds, 2)}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--methods", nargs="*", default=["identity", "nlm"], choices=["identity", "nlm", "bm3d"])
    parser.add_argument("--sets", nargs="*", default=["kodak24", "cbsd68"], choices=["kodak24", "cbsd68", *DRAWN])
    parser.add_argument("--noise", nargs="*", default=["published"], choices=NOISES)
    parser.add_argument("--sigmas", nargs="*", type=float, default=[15, 25, 50])
    parser.add_argument("--camera-quality", type=int, default=92, help="JPEG quality of camera noise")
    parser.add_argument(
        "--images", type=int, default=0, help="use only this many images of a set, evenly spaced; 0: all"
    )
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--out", type=Path, help="file for all numbers, as JSON")
    args = parser.parse_args()
    disable_malloc_trim()
    classical: dict[str, Method] = {"identity": identity, "nlm": nlm, "bm3d": bm3d}
    translators = {model: load(model, device="cpu", precision=args.precision) for model in args.models}
    rows: list[dict[str, object]] = []
    for set_name, noise in itertools.product(args.sets, args.noise):
        images = load_set(set_name, args.images)
        as_method = network_method if noise == "published" else file_method
        methods = {name: classical[name] for name in args.methods}
        methods |= {model: as_method(translator) for model, translator in translators.items()}
        for method, sigma in itertools.product(methods, args.sigmas[:1] if noise == "clean" else args.sigmas):
            row = measure(methods[method], images, noise, sigma, args.camera_quality)
            rows.append({"set": set_name, "noise": noise, "method": method, "sigma": sigma, **row})
            print(f"{set_name} {noise} {method} σ {sigma:g}: {row['psnr']:.2f} dB, worst {row['worst']:.2f}, mean "
                  f"error {row['error']:.2f} ({row['images']} images, {row['seconds']:.2f} s each)",
                  flush=True)  # fmt: skip
    if args.out:
        args.out.write_text(json.dumps({"found": rows, "published": PUBLISHED}, indent=1) + "\n")


if __name__ == "__main__":
    main()
