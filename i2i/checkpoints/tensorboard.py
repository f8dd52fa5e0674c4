"""TensorBoard events of a training: tags in groups, and small images."""

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i2i.directions import SAMPLE, Direction

NOT_SHOWN = ("time",)  # numbers of log.jsonl that make no useful curve
IMAGE_MAX_SIDE = 1024  # pixels; samples/ of the run has the grids in full size
IMAGE_QUALITY = 85  # of JPEG
IMAGE_SPACING = 1.1  # the steps of two images differ at least by this factor

_HEALTH_DIRECTIONS = {direction.label: direction.value for direction in Direction} | {"samples": SAMPLE}


def scalar_tag(name: str) -> str:
    """Return the tag of a number of the log. TensorBoard shows the groups in alphabetical order: the losses first.

    >>> [scalar_tag(name) for name in ("G/l1", "lr", "A to B/diversity", "AtoB/kid")]
    ['losses/G/l1', 'schedule/lr', 'training doctor/AtoB/diversity', 'validation/AtoB/kid']

    Args:
        name: "player/term" of a loss, "direction/metric" of a validation or of the training doctor, or another name.
    """
    head, slash, rest = name.partition("/")
    if head in _HEALTH_DIRECTIONS:
        return f"training doctor/{_HEALTH_DIRECTIONS[head]}/{rest}"
    if head in (*Direction, SAMPLE):
        return f"validation/{name}"
    if not slash or rest == "p":  # the probability of an adaptive augmentation
        return f"schedule/{name}"
    return f"losses/{name}"


_other_hook = threading.excepthook


def _hide_tracebacks_of_writer() -> None:
    """Print no traceback when the thread of a ``SummaryWriter`` cannot write: the next event raises its error again."""
    global _other_hook
    if threading.excepthook is not _on_thread_error:
        _other_hook, threading.excepthook = threading.excepthook, _on_thread_error


def _on_thread_error(args: threading.ExceptHookArgs) -> None:
    is_writer = type(args.thread).__module__.partition(".")[0] == "tensorboard"
    if not (is_writer and isinstance(args.exc_value, OSError)):
        _other_hook(args)


class EventWriter:
    """Writes an events file.

    Args:
        folder: of the run.
        step: the step at which the training starts or resumes; TensorBoard drops events after it.
    """

    def __init__(self, folder: Path, step: int) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        _hide_tracebacks_of_writer()
        self._writer = SummaryWriter(str(folder), purge_step=step + 1 if step else None)
        self._next_image_step = 0.0

    def write_scalars(self, step: int, values: Mapping[str, Any]) -> None:
        """Write the floats of a row of the log."""
        for name, value in values.items():
            if isinstance(value, float) and name not in NOT_SHOWN:
                self._writer.add_scalar(scalar_tag(name), value, step)

    def write_image(self, step: int, pixels: Any) -> None:
        """Write a sample grid as JPEG, reduced to IMAGE_MAX_SIDE.

        Later grids are written more rarely, see IMAGE_SPACING, so that the file of a long training stays small.

        Args:
            step: the training step.
            pixels: uint8 (H, W, 3).
        """
        if step < self._next_image_step:
            return
        self._next_image_step = round(step * IMAGE_SPACING, 6)  # 100 * 1.1 is a little more than 110
        from PIL import Image
        from tensorboard.compat.proto.summary_pb2 import Summary

        from i2i.images import encode

        image = Image.fromarray(pixels)
        image.thumbnail((IMAGE_MAX_SIDE, IMAGE_MAX_SIDE), Image.Resampling.BICUBIC)
        jpeg = encode(image, ".jpg", quality=IMAGE_QUALITY)
        content = Summary.Image(height=image.height, width=image.width, colorspace=3, encoded_image_string=jpeg)
        summary = Summary(value=[Summary.Value(tag="samples/grid", image=content)])
        self._writer._get_file_writer().add_summary(summary, step)

    def close(self) -> None:
        self._writer.close()
