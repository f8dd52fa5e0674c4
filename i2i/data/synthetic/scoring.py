"""Exact score for the `stripes` dataset, against hidden targets that no translator is trained on."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i.data.synthetic.drawing import ImageArray
from i2i.directions import Direction
from i2i.errors import DatasetError, UsageError
from i2i.images import read

MAX_PSNR = 100.0  # dB; for equal images, whose PSNR would be infinite


def score(
    translated: Path | Mapping[str, ImageArray], folder: Path, direction: str = Direction.A_TO_B
) -> dict[str, float]:
    """Return the mean PSNR in dB of translated test images, on the animal and off it, and that of the inputs.

    PSNR = 10 log₁₀(255² / MSE), where the MSE is over the three channels of an image's pixels in the region; the
    mean is over the PSNRs of the images. "inside" is the mask eroded by 1 pixel, "outside" the complement of the mask
    dilated by 2 pixels, both at the size of the translated image. Target, input and mask are resized to it by area.

    Args:
        translated: a folder of images, or RGB arrays (H, W, 3) by name. The names are those of test images without
            suffix ("00000"); a subset is enough.
        folder: a generated `stripes` dataset.
        direction: "AtoB" or "BtoA".

    Returns: "inside" and "outside" for the translated images, "input_inside" and "input_outside" for the untranslated
        test images, and "pictures", the number of images.

    Raises:
        UsageError: the direction is unknown.
        DatasetError: the folder has no hidden targets, or the names are not those of its test images.
    """
    if direction not in list(Direction):
        raise UsageError(f"direction is {direction!r}; it must be 'AtoB' or 'BtoA'.")
    domain = Direction(direction).source
    targets = folder / "truth" / direction
    inputs = folder / f"test{domain}"
    masks = folder / "mask" / domain
    if not targets.is_dir():
        raise DatasetError(f"{folder} has no truth/{direction}: only a generated `stripes` dataset can be scored.")
    if isinstance(translated, Path):
        test_names = {path.stem for path in inputs.iterdir()}
        translated = {path.stem: _load(path) for path in translated.iterdir() if path.stem in test_names}
    if not translated:
        raise DatasetError(f"There is no translated image with the name of an image in {inputs}.")

    rows = []
    for name, image in sorted(translated.items()):
        if not (targets / f"{name}.png").is_file():
            raise DatasetError(f"{inputs} has no image {name!r}, so its translation cannot be scored.")
        target, source, mask = (
            _resize_like(_load(parent / f"{name}.png"), image) for parent in (targets, inputs, masks)
        )
        animal = (mask[..., 0] > 127).astype(np.uint8)
        inside = cv2.erode(animal, np.ones((3, 3), np.uint8)) > 0
        outside = cv2.dilate(animal, np.ones((5, 5), np.uint8)) == 0
        rows.append([_psnr(x, target, region) for x in (image, source) for region in (inside, outside)])
    means = np.mean(rows, axis=0)
    names = ("inside", "outside", "input_inside", "input_outside")
    return {**dict(zip(names, means.tolist(), strict=True)), "pictures": len(rows)}


def _load(path: Path) -> ImageArray:
    return np.asarray(read(path))


def _resize_like(image: ImageArray, reference: ImageArray) -> ImageArray:
    height, width = reference.shape[:2]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _psnr(image: ImageArray, target: ImageArray, region: NDArray[np.bool_]) -> float:
    error = image[region].astype(np.float64) - target[region]
    return min(MAX_PSNR, float(10 * np.log10(255**2 / max(np.square(error).mean(), 1e-9))))
