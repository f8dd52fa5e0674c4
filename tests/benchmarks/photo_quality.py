"""Errors of the estimates of ``i2i convert auto``, and the gains of its models by what was measured.

python -m tests.benchmarks.photo_quality estimates --sets kodak24 bsds drawn --images 24
python -m tests.benchmarks.photo_quality gains --sets bsds kodak24 --superres superres2 --dejpeg dejpeg --images 8
python -m tests.benchmarks.photo_quality auto --images 12

estimates: known noise is added to photos and drawn images, which are clipped, rounded and, in part, saved as JPEG. The
table has the mean, the standard deviation and the largest value of σ at full size, of σ at half the size, and of the
noise level that decides, with the share of the images for which it reaches the threshold. The qualities of JPEG files
are compared to those with which they were saved.
gains: PSNR over RGB of the result minus that of the photo, averaged over photos, and the share of photos that gain. The
result of super-resolution is compared to that of Lanczos' filter. The photos are evenly spaced ones of each set: of
Kodak24, and of BSDS500's `val`, which is not used in training. The latter were JPEG files of quality 95 before.
auto: what ``i2i convert auto`` chooses for the middle of photos of Kodak24, 256² pixels, degraded in many ways, and
what it gains: the mean and the worst. Nothing is enlarged.
"""

import argparse
import io
import zlib
from collections import Counter
from collections.abc import Callable, Iterator

import cv2
import numpy as np
from PIL import Image

from i2i.data.drawn_crops import draw_crop
from i2i.data.layout import find_dataset
from i2i.images import read
from i2i.images.quality import measure_quality, quality_of_table
from i2i.images.quality.jpeg_quality import luminance_table
from i2i.inference.auto import thresholds
from i2i.inference.auto.noise import noise_level
from i2i.inference.auto.translator import AutoTranslator
from i2i.inference.loading import load
from i2i.inference.options import InferenceOptions
from i2i.restoration.colorize import to_grayscale
from i2i.restoration.jpeg import jpeg_compress
from i2i.restoration.noise import add_camera_noise
from i2i.restoration.superres import downscale_bicubic
from tests.benchmarks.restoration import psnr

Photos = dict[str, np.ndarray]  # by name, uint8 (H, W, 3)
Photo = bytes | np.ndarray  # a JPEG, or uint8 (H, W, 3)
Case = tuple[str, np.ndarray, np.ndarray]  # what was done; the clean image and the degraded one, uint8 (H, W, 3)


def load_set(name: str, count: int) -> Photos:
    """Return name → image, uint8 (H, W, 3), of ``count`` evenly spaced images of a set, or of so many drawn ones."""
    if name == "drawn":
        rng = np.random.default_rng(0)
        return {f"drawn-{index}": draw_crop(256, rng) for index in range(count)}
    root = find_dataset("kodak24" if name == "kodak24" else "bsds500")
    assert root is not None, f"{name} is in no folder of $I2I_DATASETS"
    paths = sorted(root.glob("*.png") if name == "kodak24" else (root / "val").glob("*.jpg"))
    return {path.stem: np.asarray(read(path)) for path in paths[:: max(1, len(paths) // count)][:count]}


def encode_jpeg(image: np.ndarray, quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def add_gaussian(image: np.ndarray, sigma: float, rng: np.random.Generator) -> np.ndarray:
    return (image + sigma * rng.standard_normal(image.shape)).round().clip(0, 255).astype(np.uint8)


def noisy_cases(name: str, image: np.ndarray, sigmas: list[float], camera: list[float]) -> Iterator[Case]:
    """Yield an image with no noise, Gaussian noise, that of a grey photo, and that of a camera saved as JPEG."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    yield "clean", image, image
    for sigma in sigmas:
        yield f"Gaussian, σ {sigma:g}", image, add_gaussian(image, sigma, rng)
    grey = to_grayscale(image)
    noise = 10 * rng.standard_normal((*grey.shape[:2], 1))
    yield "grey photo, σ 10", grey, (grey + noise).round().clip(0, 255).astype(np.uint8)
    for sigma in camera:
        noisy = add_camera_noise(image, sigma, rng).round().astype(np.uint8)
        yield f"camera, σ {sigma:g}, JPEG 92", image, jpeg_compress(noisy, 92)
    for quality in (20, 50, 80):
        yield f"no noise, JPEG {quality}", image, jpeg_compress(image, quality)


def print_estimates(name: str, count: int) -> None:
    rows: dict[str, list[tuple[float, float, float]]] = {}
    wrong = total = 0
    for stem, image in load_set(name, count).items():
        for case, _, degraded in noisy_cases(stem, image, [1, 2, 3, 5, 10, 25, 50], [2, 5, 10, 20]):
            quality = measure_quality(degraded)
            rows.setdefault(case, []).append((quality.noise, quality.coarse_noise, noise_level(quality)))
        for setting in range(5, 100, 5):
            wrong += quality_of_table(luminance_table(encode_jpeg(image[:64, :64], setting)) or ()) != setting
            total += 1
    for case, values in rows.items():
        columns = np.array(values).T
        chosen = (columns[2] >= thresholds.NOISE_SIGMA).mean()
        cells = [f"{column.mean():.1f} ± {column.std():.1f} ({column.max():.1f})" for column in columns]
        print(f"| {name} | {case} | {' | '.join(cells)} | {chosen:.0%} |", flush=True)
    print(f"{name}: {wrong} of {total} qualities of JPEG files are wrong", flush=True)


def apply(model: Callable[[Image.Image], Image.Image], image: np.ndarray) -> np.ndarray:
    return np.asarray(model(Image.fromarray(image)))


class Gains:
    """Collects the gains of each case, and prints them."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], list[float]] = {}

    def add(self, case: str, method: str, gain: float) -> None:
        self.rows.setdefault((case, method), []).append(gain)

    def print(self) -> None:
        for (case, method), gains in self.rows.items():
            print(f"| {case} | {method} | {np.mean(gains):+.2f} dB | {np.mean(np.array(gains) > 0):.0%} |", flush=True)


def denoise_gains(name: str, photos: Photos) -> None:
    denoise, gains = load(name, device="cpu"), Gains()
    for stem, image in photos.items():
        for case, clean, noisy in noisy_cases(stem, image, [1, 2, 3, 5, 10, 25], [2, 5, 10]):
            if case != "clean" and "no noise" not in case:
                gains.add(case, name, psnr(apply(denoise, noisy), clean) - psnr(noisy, clean))
    gains.print()


def dejpeg_gains(name: str, denoiser: str, photos: Photos) -> None:
    dejpeg, denoise, gains = load(name, device="cpu"), load(denoiser, device="cpu"), Gains()
    for stem, image in photos.items():
        rng = np.random.default_rng(zlib.crc32(stem.encode()))
        for quality in (20, 40, 60, 75, 80, 85, 90, 92, 95):
            degraded = jpeg_compress(image, quality)
            gains.add(f"JPEG {quality}", "dejpeg", psnr(apply(dejpeg, degraded), image) - psnr(degraded, image))
        for sigma, quality in ((10, 30), (10, 70), (20, 30), (20, 70)):
            degraded = jpeg_compress(add_gaussian(image, sigma, rng), quality)
            before, case = psnr(degraded, image), f"σ {sigma}, then JPEG {quality}"
            gains.add(case, "denoise", psnr(apply(denoise, degraded), image) - before)
            gains.add(case, "dejpeg+denoise", psnr(apply(denoise, apply(dejpeg, degraded)), image) - before)
            gains.add(case, "denoise+dejpeg", psnr(apply(dejpeg, apply(denoise, degraded)), image) - before)
    gains.print()


def superres_gains(name: str, denoiser: str, photos: Photos) -> None:
    """Print the gains over Lanczos on halved photos."""
    enlarge, denoise, gains = load(name, device="cpu"), load(denoiser, device="cpu"), Gains()
    for stem, photo in photos.items():
        rng = np.random.default_rng(zlib.crc32(stem.encode()))
        image = photo[: photo.shape[0] // 4 * 4, : photo.shape[1] // 4 * 4]
        small = downscale_bicubic(image, 2)
        size = (small.shape[1], small.shape[0])
        enlarged = Image.fromarray(downscale_bicubic(small, 2)).resize(size, Image.Resampling.BICUBIC)
        cases = {"clean": small, "enlarged before": np.asarray(enlarged)}
        cases |= {f"Gaussian, σ {sigma}": add_gaussian(small, sigma, rng) for sigma in (2, 3, 5, 8)}
        cases |= {f"JPEG {quality}": jpeg_compress(small, quality) for quality in (50, 70, 80, 90)}
        for case, degraded in cases.items():
            lanczos = Image.fromarray(degraded).resize((2 * size[0], 2 * size[1]), Image.Resampling.LANCZOS)
            before = psnr(np.asarray(lanczos), image)
            gains.add(case, name, psnr(apply(enlarge, degraded), image) - before)
            if "σ" in case:
                gains.add(case, f"{denoiser}+{name}", psnr(apply(enlarge, apply(denoise, degraded)), image) - before)
    gains.print()


def auto_cases(image: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, np.ndarray, Photo]]:
    """Yield degradations of an image: what was done, the clean image, and the degraded one, as a JPEG or as pixels."""

    def noisy(sigma: float) -> np.ndarray:
        return add_gaussian(image, sigma, rng)

    def decoded(data: bytes) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(data)))

    def smoothed(blur: float, levels: float, *, colour_only: bool = False) -> np.ndarray:
        noise = cv2.GaussianBlur(rng.standard_normal(image.shape), (0, 0), blur)
        noise -= noise.mean(2, keepdims=True) if colour_only else 0
        return (image + levels * noise / noise.std()).round().clip(0, 255).astype(np.uint8)

    yield "clean", image, image
    for quality in (10, 30, 50, 70, 80, 85, 90, 95):
        yield f"JPEG {quality}", image, encode_jpeg(image, quality)
    grey = to_grayscale(image)
    yield "grey photo, JPEG 40", grey, encode_jpeg(grey, 40)
    yield "JPEG 30, saved as PNG", image, decoded(encode_jpeg(image, 30))
    yield "JPEG 30, saved as JPEG 95", image, encode_jpeg(decoded(encode_jpeg(image, 30)), 95)
    for sigma in (1, 2, 3, 5, 15, 50):
        yield f"Gaussian, σ {sigma}", image, noisy(sigma)
    for sigma in (3, 10, 25):
        grain = sigma * rng.standard_normal((*image.shape[:2], 1))
        yield f"equal in R, G, B, σ {sigma}", image, (image + grain).round().clip(0, 255).astype(np.uint8)
        yield f"blurred by 0.9 pixels, σ {sigma}", image, smoothed(0.9, sigma)
    for sigma in (5, 15):
        yield f"stains of colour, 2 pixels, σ {sigma}", image, smoothed(2, sigma, colour_only=True)
    for sigma, quality in ((5, 60), (5, 90), (15, 40), (25, 92)):
        yield f"Gaussian, σ {sigma}, JPEG {quality}", image, encode_jpeg(noisy(sigma), quality)


def print_auto(count: int) -> None:
    auto, gains, models = AutoTranslator(InferenceOptions("cpu")), Gains(), dict[str, Counter[str]]()
    for stem, photo in load_set("kodak24", count).items():
        top, left = ((side - 256) // 2 for side in photo.shape[:2])
        clean = np.ascontiguousarray(photo[top : top + 256, left : left + 256])
        for case, reference, degraded in auto_cases(clean, np.random.default_rng(zlib.crc32(stem.encode()))):
            image = Image.open(io.BytesIO(degraded)) if isinstance(degraded, bytes) else Image.fromarray(degraded)
            choice = auto.explain(image, may_enlarge=False)
            before, after = image.convert("RGB"), auto.translator(choice)(image.convert("RGB"))
            change = (
                0.0 if choice.is_unchanged else psnr(np.asarray(after), reference) - psnr(np.asarray(before), reference)
            )
            gains.add(case, "auto", change)
            models.setdefault(case, Counter())[choice.model] += 1
    for (case, _), values in gains.rows.items():
        chosen = ", ".join(f"{model} {times}" for model, times in models[case].most_common())
        print(f"| {case} | {np.mean(values):+.2f} | {min(values):+.2f} | {chosen} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["estimates", "gains", "auto"])
    parser.add_argument("--sets", nargs="*", default=["kodak24", "bsds", "drawn"], choices=["kodak24", "bsds", "drawn"])
    parser.add_argument("--images", type=int, default=24, help="of each set, evenly spaced")
    parser.add_argument("--denoise", default="denoise")
    parser.add_argument("--superres", help="a model of ×2")
    parser.add_argument("--dejpeg")
    args = parser.parse_args()
    if args.what == "estimates":
        for name in args.sets:
            print_estimates(name, args.images)
        return
    if args.what == "auto":
        print_auto(args.images)
        return
    for name in args.sets:
        photos = load_set(name, args.images)
        print(f"{name}: {len(photos)}", flush=True)
        denoise_gains(args.denoise, photos)
        if args.dejpeg:
            dejpeg_gains(args.dejpeg, args.denoise, photos)
        if args.superres:
            superres_gains(args.superres, args.denoise, photos)


if __name__ == "__main__":
    main()
