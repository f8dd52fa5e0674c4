"""Pictures of the page's own: what a model does, at a glance, and something to try it on."""

import hashlib
import threading
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from i2i.demo.model_registry import Model
from i2i.errors import I2IError
from i2i.images import encode, read, write_atomic

SAMPLE = "sample.png"  # in a run's folder: its picture, where it is not to be its last sample grid
COUNT = 3  # examples of a model
_SMALLEST_CELL = 128  # pixels a side to which the pictures of sample grids are enlarged
_SIDE = 384  # pixels of drawn examples
_guard = threading.Lock()


def thumbnail(model: Model, folder: Path) -> Path | None:
    """A picture and its translation side by side, out of a run's last sample grid, kept in ``folder``.

    None where a run has left no such grid.
    """
    own = model.run / SAMPLE
    grids = sorted((model.run / "samples").glob("*.png"))
    source = own if own.is_file() else grids[-1] if grids else None
    if source is None:
        return None
    state = source.stat()
    path = folder / f"{_key(source, state.st_mtime_ns, state.st_size)}.png"
    if not path.exists():
        try:
            picture = read(source)
        except I2IError:
            return None
        _keep(picture if source == own else _first_pair(picture, int(model.header["size"])), path)
    return path


def _first_pair(grid: Image.Image, size: int) -> Image.Image:
    """The first two pictures of a sample grid, which are an input and what came of it."""
    cell = size * max(1, _SMALLEST_CELL // size)
    top = max(14, cell // 12)  # below the titles
    return grid.crop((0, top, min(grid.width, 2 * cell + 2), min(grid.height, top + cell)))


def examples(model: Model, direction: str, folder: Path) -> list[Path]:
    """Pictures for a model to be tried on in a direction: of its own test set, where that is here; else drawn ones."""
    found = [folder / f"{_key(model.name, direction, model.header.get('task'), index)}.png" for index in range(COUNT)]
    with _guard:
        if not all(path.exists() for path in found):
            pictures = _of_test_set(model, direction) or _drawn(model, direction)
            for picture, path in zip(pictures, found, strict=True):
                _keep(picture, path)
    return found


def _of_test_set(model: Model, direction: str) -> list[Image.Image]:
    from i2i.data.layout import locate, pictures

    name = str(model.header.get("data", {}).get("name", ""))
    try:
        root = locate(name) if name and Path(name).name == name else None  # a bundle may come from anywhere
        place = root / f"test{direction[0]}" if root else None
        paths = pictures(place) if place is not None and place.is_dir() else []
        return [read(path) for path in paths[:COUNT]] if len(paths) >= COUNT else []
    except I2IError:
        return []


def _drawn(model: Model, direction: str) -> list[Image.Image]:
    """Out of i2i's built-in sets: the model's own, else animals; for a restoration model, damaged as it expects."""
    from i2i.data.synthetic import SAMPLES

    name = str(model.header.get("data", {}).get("name", ""))
    if "task" in model.header:
        return [_damaged(model, picture, index) for index, picture in enumerate(_paintings())]
    sample = SAMPLES.get(name, SAMPLES["stripes"])
    side = int(model.header["size"]) if name in SAMPLES else _SIDE
    domain = direction[0] if sample.kind == "unpaired" else ""
    drawn = []
    for index in range(COUNT):
        seed = np.random.SeedSequence([zlib.crc32(b"demo"), index])
        whole = sample.draw(seed, "test", domain, side)[f"test{domain}"]
        half = whole[:, :side] if direction == "AtoB" else whole[:, -side:]
        drawn.append(Image.fromarray(half))
    return drawn


def _paintings() -> list[Image.Image]:
    """Clean pictures with fine and coarse parts: a landscape, a striped animal, discs."""
    from i2i.data.synthetic import SAMPLES

    found = []
    for name, domain in (("outlines", ""), ("stripes", "B"), ("leaves", "")):
        picture = SAMPLES[name].draw(np.random.SeedSequence([11, 3]), "train", domain, _SIDE)[f"train{domain}"]
        found.append(Image.fromarray(picture[:, -_SIDE:]))
    return found


def _damaged(model: Model, clean: Image.Image, index: int) -> Image.Image:
    from i2i.inference.restoration import described_task
    from i2i.restoration.degrader import Degrader

    task = described_task(model.name, model.header)
    return Degrader(task, task.middle(), index)(clean)


def _keep(picture: Image.Image, path: Path) -> None:
    write_atomic(path, encode(picture, ".png"))


def _key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
