"""Example inputs of models of other channels than RGB and of label maps: files of their test set."""

import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from i2i.demo.model_registry import RegisteredModel
from i2i.directions import Direction
from i2i.errors import I2IError
from i2i.images import encode, write_atomic
from i2i.images.channel_writing import ChannelWriter
from i2i.images.channels import read_channels
from i2i.images.pixel_format import PixelFormat
from i2i.images.stacks import file_version, stack_files

NUM_EXAMPLES = 3
_lock = threading.Lock()


def items_of_test_set(model: RegisteredModel, direction: str) -> tuple[Sequence[tuple[Path, ...]], Any, int]:
    """Return the test images of a model's dataset, if it is on this machine.

    Returns: the files of each image or pair, the kind of the dataset, and which of the two images is the input.
    """
    from i2i.evaluation.training_data import needed_kind, training_source

    source = training_source(model.info, model.path)
    if not source.is_named or source.folder is None:
        return [], "clean", 0
    try:
        layout = source.load(needed_kind(model.info), download=False)
    except I2IError:
        return [], "clean", 0
    index = Direction(direction).source_index
    domains = layout.splits.get("test", ())
    items = (domains[index] if layout.kind == "unpaired" else domains[0]) if domains else []
    return items, layout.kind, index if layout.kind == "paired" else 0


def channel_examples(model: RegisteredModel, folder: Path, direction: str) -> list[Path]:
    """Return copies of the first test files of a model; none for pairs that are one file.

    Args:
        model: the model to try.
        folder: where the copies are kept.
        direction: "AtoB" or "BtoA".
    """
    items, kind, side = items_of_test_set(model, direction)
    if kind == "paired" and any(len(item) != 2 for item in items):
        return []
    paths = list[Path]()
    for index, item in enumerate(items[:NUM_EXAMPLES], 1):
        source = item[side]
        path = folder / _key(source, *file_version(source)) / f"example-{index}{source.suffix.lower()}"
        if stack_files(source):
            path = path.with_suffix(".tif")
        with _lock:
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                write_atomic(path, _joined(source) if stack_files(source) else source.read_bytes())
        paths.append(path)
    return paths


def picture_of_example(path: Path, model: RegisteredModel, direction: str) -> Path:
    """Return an example as PNG beside it, as ``to_picture`` shows it."""
    from i2i.data.resize import load_one
    from i2i.images.display import to_picture

    format: PixelFormat = model.info.input_format(direction)
    picture = path.with_name(f"{path.stem}-shown.png")
    with _lock:
        if not picture.exists():
            image = load_one(path, format, model.info.input_ranges(direction))
            rgb = image if format.is_rgb8 else to_picture(image.values, format)
            write_atomic(picture, encode(rgb, ".png"))
    return picture


def _joined(stack: Path) -> bytes:
    """Return a stack as one TIFF."""
    return ChannelWriter(suffix=".tif")(read_channels(stack))


def _key(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:24]
