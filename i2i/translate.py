"""A trained translator in use: picture in, picture out, of any size."""

import re
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import nn

from i2i.batching import minds_company
from i2i.checkpoint import find_bundle, load_bundle
from i2i.config import from_json
from i2i.data.tasks import TASKS, Task
from i2i.device import Precision, autocast, pick_device, pick_precision, seeded
from i2i.errors import BundleError, ConfigError, I2IError, UsageError
from i2i.holes import HoleReader
from i2i.images import read, to_float, to_uint8, upright_rgb
from i2i.loading import SAMPLE, described
from i2i.networks import GENERATORS, GeneratorConfig, Identity, IdentityConfig, RestorerConfig, use_mode

_OUT_OF_MEMORY = re.compile(r"can't allocate memory|out of memory|not enough memory|ALLOC_FAILED", re.IGNORECASE)
SMALLEST = 16  # pixels a side to which smaller pictures are padded, so that every layer has some to look at
Size = tuple[int, int]  # width and height
Pending = Callable[[], Image.Image]  # waits for a picture that is being translated


class Translator:
    """One direction of a bundle, ready to translate pictures.

    >>> zebra = i2i.load("horse2zebra-cyclegan")(Image.open("horse.jpg"))

    level: in [-1, 1], what a network is told of the strength of the damage. mask: see ``HoleReader``. notice: is told,
    once, when as many pictures as were to go through together do not fit the memory.
    """

    def __init__(
        self,
        network: nn.Module,
        config: GeneratorConfig,
        *,
        size: int,
        direction: str,
        device: str = "auto",
        precision: Precision = "auto",
        about: Mapping[str, Any] | None = None,
        level: float = 0.0,
        mask: Path | None = None,
        notice: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.device = pick_device(device)
        self.dtype = pick_precision(precision, self.device)
        self.network = use_mode(network, config).to(self.device).to(memory_format=torch.channels_last)
        self.direction = direction
        self.about = dict(about or {})
        restorer = config if isinstance(config, RestorerConfig) else RestorerConfig()
        self.scale, self._shows, self._level = restorer.scale, restorer.shows, level
        self.read: Callable[[Path], Image.Image] = HoleReader(mask) if self._shows == "mask" else read
        self._multiple = config.multiple(size)
        self._alone = minds_company(self.network)
        self._notice = notice
        self._room = sys.maxsize  # pixels of the largest pass that is not known to be too large for the memory

    def __call__(self, image: Image.Image) -> Image.Image:
        """The translation of ``image``, turned upright by its EXIF orientation, as RGB of ``scale`` times its size.

        Padded by reflection to what the network can take, and cropped back. Dropout, where the model keeps
        it in use, is drawn from the same seed each time. A model that fills holes wants RGBA, transparent where
        there is one. Raises I2IError where the picture does not fit memory.
        """
        return self.translate([image])[0]

    def translate(self, images: Sequence[Image.Image]) -> list[Image.Image]:
        """As calling it on each of ``images``, but faster: neighbours of one ``padded`` size share passes.

        A picture comes out the same in any company, up to the rounding of another order of sums: models with dropout
        or batch statistics in use see one picture at a time.
        """
        upright, started = [self._upright(image) for image in images], list[Pending]()
        while left := upright[len(started) :]:
            started += self.begin(left[: self.at_once(self.padded(left[0].size))])
        return [pending() for pending in started]

    def begin(self, images: Sequence[Image.Image]) -> list[Pending]:
        """Put upright RGB pictures, such as ``read`` gives, through together; each result is waited for by a call.

        On CUDA the device is at work while the caller goes on, and results may be waited for in other threads. A pass
        that does not fit the memory is halved, down to one picture, and later ones are no larger.
        """
        started: list[Pending] = []
        while left := images[len(started) :]:
            shape, neighbours = next(groupby(left, lambda image: self.padded(image.size)))
            room = 1 if self._alone else max(1, self._room // (shape[0] * shape[1]))
            some = list(neighbours)[:room]
            try:
                started += self._pass(some)
                continue
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if isinstance(error, RuntimeError) and not _OUT_OF_MEMORY.search(str(error)):
                    raise
                if len(some) == 1:
                    found = f"{left[0].width}x{left[0].height}"
                    raise I2IError(f"A picture of {found} pixels does not fit the memory of {self.device}.") from error
            self._halve(len(some), shape)  # only here is what the failed pass held free again
        return started

    def padded(self, size: Size) -> Size:
        """Width and height in which the network sees a picture of ``size``; what shares them can share a pass."""
        width, height = (-(-max(length, SMALLEST) // self._multiple) * self._multiple for length in size)
        return width, height

    def at_once(self, size: Size) -> int:
        """How many pictures of a ``padded`` size go through fastest in one pass."""
        if self._alone:
            return 1
        # A CPU is busy from 64² to 128² pixels on: 9 blocks in bfloat16 take 56, 49, 41 and 41 ms of one core a picture
        # of 64² in passes of 1, 2, 4 and 8; 164, 157, 164 and 172 at 128²; 590, 660, 720 and 930 at 256². A GPU wants
        # millions of pixels to fill its units in the residual blocks, at a sixteenth of the pixels.
        pixels, most = (8_000_000, 32) if self.device.type == "cuda" else (128 * 128, 8)
        return max(1, min(most, pixels // (size[0] * size[1])))

    def _halve(self, count: int, size: Size) -> None:
        """Remember that ``count`` pictures of a padded size are too many, and say so the first time."""
        if self._room == sys.maxsize:
            self._notice(
                f"{count} pictures of {size[0]}x{size[1]} pixels do not fit the memory of {self.device} at once: "
                "going on with fewer at a time."
            )
        self._room = count // 2 * size[0] * size[1]

    @torch.inference_mode()
    def _pass(self, images: Sequence[Image.Image]) -> list[Pending]:
        width, height = self.padded(images[0].size)
        cuda = self.device.type == "cuda"
        # Pinned memory: only from there does a copy to CUDA run beside the network.
        channels = 4 if self._shows == "mask" else 3
        batch = torch.empty(len(images), height, width, channels, dtype=torch.uint8, pin_memory=cuda)
        corners = [_put(np.asarray(image), place) for image, place in zip(images, batch.numpy(), strict=True)]
        picture = to_float(batch.to(self.device, non_blocking=True).permute(0, 3, 1, 2))  # channels-last, as it lies
        with seeded(self.device, 0), autocast(self.device, self.dtype):
            translated = to_uint8(self.network(self._given(picture))).permute(0, 2, 3, 1)
        scale = self.scale
        found = [
            _to_host(whole[scale * top : scale * (top + image.height), scale * left : scale * (left + image.width)])
            for whole, (left, top), image in zip(translated, corners, images, strict=True)
        ]
        done = torch.cuda.Event() if cuda else None
        if done is not None:
            done.record(torch.cuda.current_stream(self.device))
        return [partial(_picture, pixels.numpy(), done) for pixels in found]

    def _upright(self, image: Image.Image) -> Image.Image:
        if self._shows != "mask":
            return upright_rgb(image)
        if image.mode != "RGBA":
            raise UsageError("This model fills what is transparent: it takes RGBA pictures.")
        return ImageOps.exif_transpose(image)

    def _given(self, picture: torch.Tensor) -> torch.Tensor:
        """(N, 3 or, with transparency, 4, H, W) in [-1, 1] as the network is to have it."""
        if self._shows == "level":
            return torch.cat([picture, torch.full_like(picture[:, :1], self._level)], 1)
        if self._shows == "mask":
            hole = picture[:, 3:] < 0
            return torch.cat([picture[:, :3].masked_fill(hole, 0.0), hole * 2.0 - 1.0], 1)
        return picture


def _put(pixels: np.ndarray, place: np.ndarray) -> Size:
    """Copy (h, w, C) into the middle of (H, W, C), its edges reflected around it; where its left top corner is."""
    missing = place.shape[0] - pixels.shape[0], place.shape[1] - pixels.shape[1]
    top, left = missing[0] // 2, missing[1] // 2
    if any(missing):
        pixels = np.pad(pixels, ((top, missing[0] - top), (left, missing[1] - left), (0, 0)), mode="reflect")
    place[...] = pixels
    return left, top


def _to_host(pixels: torch.Tensor) -> torch.Tensor:
    """On the CPU; from CUDA once what the device has been given to do is done."""
    if pixels.device.type != "cuda":
        return pixels.cpu()
    return torch.empty(pixels.shape, dtype=pixels.dtype, pin_memory=True).copy_(pixels, non_blocking=True)


def _picture(pixels: np.ndarray, done: torch.cuda.Event | None) -> Image.Image:
    if done is not None:
        done.synchronize()
    return Image.fromarray(pixels)


def load(
    model: str,
    direction: str | None = None,
    *,
    device: str = "auto",
    precision: Precision = "auto",
    strength: float | None = None,
    mask: Path | None = None,
    notice: Callable[[str], None] = lambda text: None,
) -> Translator:
    """The translator of a run's name, a run's folder or a bundle's path; "identity" returns its input.

    direction: "AtoB" or "BtoA"; by default the model's first. strength: of the damage, in the unit of the model's task,
    for a model that wants to be told. mask, notice: see ``Translator``.
    Raises BundleError or UsageError, naming what there is.
    """
    if model == "identity":
        return Translator(
            Identity(), IdentityConfig(), size=SMALLEST, direction=direction or "AtoB", device=device, notice=notice
        )
    path = find_bundle(model)
    bundle = load_bundle(path)
    if bundle.header.get("directions") == SAMPLE:
        raise UsageError(
            f"{model} makes pictures from noise and has no picture to translate: "
            f"`i2i sample {model} --out grid.png` shows what it paints."
        )
    config, size, directions = described(path, bundle, GENERATORS, ("AtoB", "BtoA"), "translator")
    if mask is not None and (not isinstance(config, RestorerConfig) or config.shows != "mask"):
        raise UsageError(f"{model} fills no holes: --mask is for models of the task inpaint.")
    chosen = direction or directions[0]
    if chosen not in directions:
        raise UsageError(f"{model} has no direction {chosen!r}; it has {', '.join(directions)}.")
    network = config.build(size)
    network.load_state_dict(bundle.of(chosen))
    return Translator(
        network,
        config,
        size=size,
        direction=chosen,
        device=device,
        precision=precision,
        about=bundle.header,
        level=level_of(model, config, bundle.header, strength),
        mask=mask,
        notice=notice,
    )


def level_of(model: str, config: GeneratorConfig, header: Mapping[str, Any], strength: float | None) -> float:
    """In [-1, 1], what the network is told of a strength; 0 where it is told nothing.

    Raises UsageError where a strength is wanted, not wanted or out of range.
    """
    if not isinstance(config, RestorerConfig) or config.shows != "level":
        if strength is not None:
            raise UsageError(f"{model} judges by itself how strong the damage is: it takes no --task-strength.")
        return 0.0
    task = _task(model, header)
    low, high = task.strengths() or (0.0, 0.0)
    if strength is None or not low <= strength <= high:
        found = "none was given" if strength is None else f"found {strength:g}"
        wanted = f"--task-strength {low:g} to {high:g}"
        raise UsageError(f"{model} is to be told how strong the damage is by {wanted}; {found}.")
    return task.level(strength) / 127.5 - 1


def some_strength(header: Mapping[str, Any]) -> float | None:
    """A strength that a model takes, by its header; None where it takes none."""
    generator = header.get("generator")
    wanted = isinstance(generator, dict) and generator.get("shows") == "level"
    return _task("The model", header).middle() if wanted else None


def _task(model: str, header: Mapping[str, Any]) -> Task:
    try:
        return from_json(TASKS[header["task"]["task"]], header["task"], "task")
    except (ConfigError, KeyError, TypeError) as error:
        raise BundleError(f"{model}: its header does not describe the task it was trained for ({error}).") from error
