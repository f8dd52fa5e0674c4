"""An exact score for the `stripes` set, against the truth that the translator never sees."""

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from i2i.data.synthetic.drawing import Picture
from i2i.errors import DatasetError, UsageError
from i2i.images import read

CEILING = 100.0  # dB, where pictures are equal and PSNR would be infinite


def score(translated: Path | Mapping[str, Picture], folder: Path, direction: str = "AtoB") -> dict[str, float]:
    """Mean PSNR in dB of translated test pictures on the animal and off it, beside that of the inputs.

    translated: a folder of pictures, or RGB arrays (H, W, 3) by name; names are those of the test pictures
    without suffix ("00000"), of all or some of them. folder: a made `stripes` set. direction: "AtoB", "BtoA".

    PSNR = 10 log₁₀(255² / MSE), with the MSE over the three channels of a picture's pixels in the region; the
    mean is over the pictures' decibels. Inside is the mask less 1 pixel at its edge, outside all that is 2
    pixels off it, at the translated picture's size, to which truth, input and mask are resized by area.

    Returns inside, outside (the translated pictures), input_inside, input_outside (the test pictures left as
    they are, against the same truth) and pictures (their number).
    """
    if direction not in ("AtoB", "BtoA"):
        raise UsageError(f"direction is {direction!r}; it must be 'AtoB' or 'BtoA'.")
    domain = direction[0]
    if not (folder / "truth" / direction).is_dir():
        raise DatasetError(f"{folder} has no truth/{direction}: only a made `stripes` set can be scored.")
    if isinstance(translated, Path):
        known = {path.stem for path in (folder / f"test{domain}").iterdir()}
        translated = {path.stem: _read(path) for path in translated.iterdir() if path.stem in known}
    if not translated:
        raise DatasetError(f"There is no translated picture named like those in {folder}/test{domain}.")

    places = [folder / place for place in (f"truth/{direction}", f"test{domain}", f"mask/{domain}")]
    rows = []
    for name, picture in sorted(translated.items()):
        if not (places[0] / f"{name}.png").is_file():
            raise DatasetError(f"{folder}/test{domain} has no picture {name!r} to score a translation of.")
        truth, source, mask = (_resized(_read(place / f"{name}.png"), picture) for place in places)
        animal = (mask[..., 0] > 127).astype(np.uint8)
        inside = cv2.erode(animal, np.ones((3, 3), np.uint8)) > 0
        outside = cv2.dilate(animal, np.ones((5, 5), np.uint8)) == 0
        rows.append([_psnr(p, truth, region) for p in (picture, source) for region in (inside, outside)])
    means = np.mean(rows, axis=0)
    names = ("inside", "outside", "input_inside", "input_outside")
    return {**dict(zip(names, means.tolist(), strict=True)), "pictures": len(rows)}


def _read(path: Path) -> Picture:
    return np.asarray(read(path))


def _resized(picture: Picture, like: Picture) -> Picture:
    height, width = like.shape[:2]
    return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _psnr(picture: Picture, truth: Picture, region: NDArray[np.bool_]) -> float:
    error = picture[region].astype(np.float64) - truth[region]
    return min(CEILING, float(10 * np.log10(255**2 / max(np.square(error).mean(), 1e-9))))
