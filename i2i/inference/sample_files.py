"""Write generated images: all in one grid, or each in a file of its own."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from i2i.config import require
from i2i.errors import UsageError, io_errors
from i2i.images import Provenance, Writer, make_grid, write_atomic
from i2i.images.files import remove_unfinished
from i2i.images.formats import FORMAT_BY_SUFFIX

MAX_GRID_IMAGES = 1024
MIN_TILE_PIXELS = 128  # smaller images are enlarged to about this many pixels a side in a grid


def interpolation_range(ends: Sequence[int], steps: int) -> tuple[int, int, int]:
    """Check an interpolation, and return its two seeds and its number of images.

    Raises: ConfigError if a number is out of range.
    """
    require(2 <= steps <= MAX_GRID_IMAGES, "interpolation_steps", steps, f"from 2 to {MAX_GRID_IMAGES}")
    for end in ends:
        require(0 <= end < 2**63, "interpolate", end, "seeds from 0 to 2^63 - 1")
    start, end = ends
    return start, end, steps


def output_paths(out: Path | None, folder: Path | None, names: Sequence[int], overwrite: bool) -> list[Path]:
    """Check where generated images are written, and return a path for each image.

    Args:
        out: path of the grid, or None for no grid.
        folder: folder for one file per image, or None for no such files.
        names: a number for each image, which names its file.
        overwrite: whether existing files may be overwritten.

    Returns: the paths below ``folder``; none without a folder.

    Raises: UsageError if there is neither grid nor folder, or if a file exists already; ConfigError if the grid would
        be too large.
    """
    if out is None and folder is None:
        raise UsageError(
            "No output is given: --out grid.png writes all images into one grid, --out-dir DIR writes a file per image."
        )
    if out is not None:
        if out.suffix.lower() not in FORMAT_BY_SUFFIX:
            raise UsageError(f"--out {out} must be the name of an image, such as grid.png; --out-dir takes a folder.")
        require(
            len(names) <= MAX_GRID_IMAGES,
            "num_images",
            len(names),
            f"at most {MAX_GRID_IMAGES} in one grid (use --out-dir)",
        )
    if folder is not None and folder.suffix.lower() in FORMAT_BY_SUFFIX and not folder.is_dir():
        raise UsageError(f"--out-dir {folder} is the name of an image; it must be a folder.")
    paths = [folder / f"{name:05}.png" for name in names] if folder is not None else []
    existing = [path for path in (*([out] if out else []), *paths) if path.exists()]
    if existing and not overwrite:
        raise UsageError(f"{existing[0]} exists already: choose another output, or add --overwrite.")
    return paths


def write_images(
    images: Iterable[Image.Image],
    out: Path | None,
    paths: Sequence[Path],
    columns: int,
    provenance: Provenance | None = None,
) -> None:
    """Write images into one grid and into a file each.

    Args:
        images: the images, all of one size.
        out: path of the grid, or None for no grid.
        paths: a path for each image, or none.
        columns: number of columns of the grid.
        provenance: the model that the files name in their metadata.

    Raises: I2IError if a file cannot be written.
    """
    grid_images = []
    for index, image in enumerate(images):
        if paths:
            _save(paths[index], image, provenance)
        if out is not None:
            grid_images.append(np.asarray(image))
    if out is not None:
        scale = max(1, MIN_TILE_PIXELS // len(grid_images[0]))
        enlarged = np.stack(grid_images).repeat(scale, 1).repeat(scale, 2)
        _save(out, make_grid(enlarged, columns), provenance)


def _save(path: Path, image: Image.Image, provenance: Provenance | None) -> None:
    with io_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        remove_unfinished([path.parent], path.name)
        write_atomic(path, Writer(suffix=path.suffix.lower(), provenance=provenance)(image))
