"""Denoising by the protocol of the papers, beside what there was before.

python -m tests.benchmarks.restoration MODEL … --methods identity nlm bm3d --sets kodak24 cbsd68 --sigmas 15 25 50

Gaussian noise on float pictures, neither clipped nor rounded; the result rounded to 8 bit; PSNR over RGB on [0, 255],
and its mean over the pictures (Zhang et al. 2018). The noise of a picture depends on its name and σ alone. CBSD68 is 68
of the 100 in the `val` of BSDS500, those that cbsd68.txt names. --camera 92: noise as a camera has it instead, saved as
JPEG of that quality, σ being that of green on middle grey. BM3D is the package `bm3d`, which is no dependency of
i2i: `pip install bm3d`.
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

from i2i.data.layout import locate
from i2i.device import autocast, keep_memory
from i2i.images import read
from i2i.inference.translator import Translator, load
from i2i.restoration.jpeg import jpeg
from i2i.restoration.noise import camera

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
    """OpenCV's non-local means, which takes 8 bit; the strength is best of 0.2 to 3 σ on three training photos."""
    import cv2

    pixels = noisy.round().clip(0, 255).astype(np.uint8)
    return cv2.fastNlMeansDenoisingColored(pixels, None, 0.55 * sigma, 0.55 * sigma, 7, 21).astype(np.float32)


def bm3d(noisy: np.ndarray, sigma: float) -> np.ndarray:
    from bm3d import bm3d_rgb

    return (bm3d_rgb(noisy / 255.0, sigma / 255.0) * 255.0).astype(np.float32)


def padded(model: nn.Module, picture: Tensor, multiple: int) -> Tensor:
    """``model`` of a picture (1, 3, H, W) reflected to multiples of so many pixels, and cropped back."""
    high, wide = picture.shape[2:]
    return model(F.pad(picture, (0, -wide % multiple, 0, -high % multiple), mode="reflect"))[..., :high, :wide]


def network(translator: Translator) -> Method:
    """A trained model, on the float picture that the protocol asks for."""

    @torch.inference_mode()
    def denoise(noisy: np.ndarray, sigma: float) -> np.ndarray:
        picture = torch.from_numpy(noisy).permute(2, 0, 1)[None].to(translator.device) / 127.5 - 1
        with autocast(translator.device, translator.dtype):
            restored = padded(translator.network, picture, 64)
        return ((restored[0].permute(1, 2, 0).float().cpu() + 1) * 127.5).numpy()

    return denoise


def photos(name: str) -> list[Path]:
    root = locate("kodak24" if name == "kodak24" else "bsds500")
    assert root is not None, f"{name} is in no folder of $I2I_DATASETS"
    if name == "kodak24":
        return sorted(root.glob("*.png"))
    return [root / "val" / f"{stem}.jpg" for stem in Path(__file__).with_name("cbsd68.txt").read_text().split()]


def noisy(clean: np.ndarray, path: Path, sigma: float, quality: int = 0) -> np.ndarray:
    """quality: of the JPEG of a camera's noise; 0: Gaussian noise, not saved."""
    rng = np.random.default_rng([zlib.crc32(path.stem.encode()), int(sigma)])
    if quality:
        return jpeg(camera(clean, sigma, rng).round().astype(np.uint8), quality).astype(np.float32)
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
    parser.add_argument("--camera", type=int, default=0, metavar="QUALITY", help="a camera's noise, saved as JPEG")
    parser.add_argument("--pictures", type=int, default=0, help="only every so many of a set that this many remain")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--out", type=Path, help="JSON of every number")
    given = parser.parse_args()
    keep_memory()
    methods: dict[str, Method] = {
        name: {"identity": identity, "nlm": nlm, "bm3d": bm3d}[name] for name in given.methods
    }
    for model in given.models:
        methods[model] = network(load(model, device="cpu", precision=given.precision))
    found: list[dict[str, object]] = []
    for name in given.sets:
        paths = photos(name)
        if given.pictures:
            paths = paths[:: max(1, len(paths) // given.pictures)][: given.pictures]
        clean = {path: np.asarray(read(path)) for path in paths}
        for method, denoise in methods.items():
            for sigma in given.sigmas:
                began = time.perf_counter()
                shown = ((clean[path], noisy(clean[path], path, sigma, given.camera)) for path in paths)
                values = [psnr(denoise(picture, sigma), truth) for truth, picture in shown]
                seconds = (time.perf_counter() - began) / len(paths)
                mean = float(np.mean(values))
                found.append({"set": name, "method": method, "sigma": sigma, "psnr": round(mean, 3),
                              "pictures": len(paths), "seconds": round(seconds, 2)})  # fmt: skip
                print(f"{name} {method} σ {sigma:g}: {mean:.2f} dB ({len(paths)} pictures, {seconds:.2f} s each)",
                      flush=True)  # fmt: skip
    if given.out:
        given.out.write_text(json.dumps({"found": found, "published": PUBLISHED}, indent=1) + "\n")


if __name__ == "__main__":
    main()
