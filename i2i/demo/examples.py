"""Images that the page provides: a thumbnail of each model and example inputs."""

import hashlib
import threading
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from i2i.demo.channel_examples import channel_examples, items_of_test_set, picture_of_example
from i2i.demo.model_registry import RegisteredModel
from i2i.directions import Direction
from i2i.errors import I2IError
from i2i.images import encode, read, write_atomic

THUMBNAIL_NAME = "sample.png"  # in a run's folder: overrides the thumbnail cut from the last sample grid
NUM_EXAMPLES = 3  # per model
BLANK_SIZE = (258, 128)  # of the thumbnail for a model without samples
BLANK_COLOUR = (148, 163, 184)
_MIN_CELL_SIDE = 128  # pixels a side to which smaller images are enlarged in sample grids
_EXAMPLE_SIDE = 384  # pixels a side of generated examples
_lock = threading.Lock()


def thumbnail(model: RegisteredModel, folder: Path) -> Path | None:
    """Return an image of an input and its translation side by side, or None if the run has no samples.

    Args:
        model: its run's ``sample.png`` is used, otherwise the first pair of the last sample grid. Of a restoration
            model it is the ``detail_crop``.
        folder: where the thumbnail is cached.
    """
    override = model.run_folder / THUMBNAIL_NAME
    grids = sorted((model.run_folder / "samples").glob("*.png"))
    if override.is_file():
        source = override
    elif grids:
        source = grids[-1]
    else:
        return None
    stat = source.stat()
    path = folder / f"{_cache_key(source, stat.st_mtime_ns, stat.st_size)}.png"
    if not path.exists():
        try:
            image = read(source)
        except I2IError:
            return None
        pair = image if source == override else _first_pair(image, model.info.size)
        _save(pair if model.info.task is None else detail_crop(pair), path)
    return path


def thumbnail_or_blank(model: RegisteredModel, folder: Path) -> Path:
    """Return the ``thumbnail`` of a model, or a plain grey image if it has none."""
    path = thumbnail(model, folder)
    if path is not None:
        return path
    blank = folder / "blank.png"
    if not blank.exists():
        Image.new("RGB", BLANK_SIZE, BLANK_COLOUR).save(blank)
    return blank


def detail_crop(pair: Image.Image) -> Image.Image:
    """Return the same quarter of two images side by side, where they have most detail.

    A restoration changes fine structure, which a thumbnail of the whole images does not show.

    Args:
        pair: an input and its translation, of one size.
    """
    width, height = pair.width // 2, pair.height
    halves = [pair.crop((left, 0, left + width, height)) for left in (0, pair.width - width)]
    result = np.asarray(halves[1].convert("L"), np.float32)
    detail = np.abs(np.diff(result, axis=0))[:, :-1] + np.abs(np.diff(result, axis=1))[:-1]
    size = max(1, width // 2), max(1, height // 2)
    if min(detail.shape) == 0:
        return pair
    sums = np.pad(detail.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    rows, columns = (min(side, length) for side, length in zip(size[::-1], detail.shape, strict=True))
    windows = sums[rows:, columns:] - sums[:-rows, columns:] - sums[rows:, :-columns] + sums[:-rows, :-columns]
    top, left = np.unravel_index(int(windows.argmax()), windows.shape)
    box = int(left), int(top), int(left) + size[0], int(top) + size[1]
    crops = Image.new(pair.mode, (2 * size[0], size[1]))
    for index, half in enumerate(halves):
        crops.paste(half.crop(box), (index * size[0], 0))
    return crops


def _first_pair(grid: Image.Image, size: int) -> Image.Image:
    """Return the first two images of a sample grid: an input and its translation."""
    cell = size * max(1, _MIN_CELL_SIDE // size)
    top = max(14, cell // 12)  # below the titles
    if grid.height <= top:  # not a sample grid of this model
        return grid
    return grid.crop((0, top, min(grid.width, 2 * cell + 2), min(grid.height, top + cell)))


def examples(model: RegisteredModel, folder: Path, direction: str | None = None) -> list[Path]:
    """Return example inputs of a model: from its dataset's test set if that is here, otherwise generated ones.

    None are generated for models of other channels than RGB and of label maps.

    Args:
        model: the model to try.
        folder: where the examples are cached.
        direction: None is the model's first direction.
    """
    direction = direction or model.info.directions[0]
    if not model.info.takes_pictures:
        return channel_examples(model, folder, direction)
    keys = [_cache_key(model.name, direction, model.info.task, index) for index in range(NUM_EXAMPLES)]
    paths = [folder / f"{key}.png" for key in keys]
    with _lock:
        if not all(path.exists() for path in paths):
            images = _test_images(model, direction) or _generated_images(model, direction)
            for image, path in zip(images, paths, strict=True):
                _save(image, path)
    return paths


def example_pictures(model: RegisteredModel, folder: Path, direction: str | None = None) -> list[Path]:
    """Return the ``examples`` of a model as images that a browser shows."""
    paths = examples(model, folder, direction)
    if model.info.takes_pictures:
        return paths
    return [picture_of_example(path, model, direction or model.info.directions[0]) for path in paths]


def _test_images(model: RegisteredModel, direction: str) -> list[Image.Image]:
    """Return the first test images of the model's dataset, or an empty list if there are too few."""
    from i2i.data.resize import load_item

    items, kind, side = items_of_test_set(model, direction)
    if model.info.task is not None or kind == "clean" or len(items) < NUM_EXAMPLES:
        return []
    try:
        return [load_item(item, kind)[side] for item in items[:NUM_EXAMPLES]]
    except I2IError:
        return []


def _generated_images(model: RegisteredModel, direction: str) -> list[Image.Image]:
    """Draw examples from a built-in synthetic dataset.

    A restoration model gets degraded images. Other models get images of their own dataset if it is synthetic, otherwise
    of "stripes".
    """
    from i2i.data.synthetic import SYNTHETIC_DATASETS

    name = model.info.data.name
    if model.info.task is not None:
        return [_degraded(model, image, index) for index, image in enumerate(_clean_images())]
    dataset = SYNTHETIC_DATASETS.get(name, SYNTHETIC_DATASETS["stripes"])
    side = model.info.size if name in SYNTHETIC_DATASETS else _EXAMPLE_SIDE
    domain = Direction(direction).source if dataset.kind == "unpaired" else ""
    images = []
    for index in range(NUM_EXAMPLES):
        seed = np.random.SeedSequence([zlib.crc32(b"demo"), index])
        drawing = dataset.draw(seed, "test", domain, side)[f"test{domain}"]
        half = drawing[:, :side] if direction == Direction.A_TO_B else drawing[:, -side:]
        images.append(Image.fromarray(half))
    return images


def _clean_images() -> list[Image.Image]:
    """Return clean images with fine and coarse structure: a landscape, a striped animal, dead leaves."""
    from i2i.data.synthetic import SYNTHETIC_DATASETS

    images = []
    for name, domain in (("outlines", ""), ("stripes", "B"), ("leaves", "")):
        seed = np.random.SeedSequence([11, 3])
        drawing = SYNTHETIC_DATASETS[name].draw(seed, "train", domain, _EXAMPLE_SIDE)[f"train{domain}"]
        images.append(Image.fromarray(drawing[:, -_EXAMPLE_SIDE:]))
    return images


def _degraded(model: RegisteredModel, clean: Image.Image, index: int) -> Image.Image:
    """Degrade a clean image as the model expects its inputs."""
    from i2i.inference.restoration import task_of
    from i2i.restoration.degrader import Degrader

    task = task_of(model.name, model.info)
    return Degrader(task, task.mid_strength(), index)(clean)


def _save(image: Image.Image, path: Path) -> None:
    write_atomic(path, encode(image, ".png"))


def _cache_key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
