"""A trained translator in use: picture in, picture out, of any size."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn

from i2i.checkpoints.run import find_bundle, load_bundle, provenance
from i2i.device import Precision, autocast, is_of_memory, pick_device, pick_precision, seeded
from i2i.errors import I2IError, UsageError
from i2i.images import Provenance, to_float, to_uint8
from i2i.inference.chroma_transfer import recoloured, shrunk
from i2i.inference.loading import SAMPLE, described
from i2i.inference.masks import HoleReader
from i2i.inference.preprocessing import SMALLEST, Sight, Size
from i2i.inference.restoration import level_of
from i2i.inference.streaming import in_strips, in_tiles
from i2i.inference.transfer import area, picture_of, to_host
from i2i.networks import GENERATORS, GeneratorConfig, Identity, IdentityConfig, RestorerConfig, use_mode
from i2i.networks.batching import minds_company

WHOLE = 2_000_000  # pixels of the largest picture that a CPU translates in one piece: 9 blocks take 3 GB for it
Pending = Callable[[], Image.Image]  # waits for a picture that is being translated


class Translator:
    """One direction of a bundle, ready to translate pictures.

    >>> zebra = i2i.load("horse2zebra-cyclegan")(Image.open("horse.jpg"))

    level: in [-1, 1], what a network is told of the strength of the damage. mask: see ``HoleReader``. provenance: what
    its pictures are to say of the model. notice: is told, once, when as many pictures as were to go through together do
    not fit the memory.
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
        provenance: Provenance | None = None,
        notice: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.device = pick_device(device)
        self.dtype = pick_precision(precision, self.device)
        self.network = use_mode(network, config).to(self.device).to(memory_format=torch.channels_last)
        self.direction = direction
        self.about, self.provenance = dict(about or {}), provenance
        self.sight = Sight(config, size, level, pinned=self.device.type == "cuda")
        self.holes = HoleReader(mask) if self.sight.shows == "mask" else None
        self._reach = self.sight.reach  # None: the network sees all of a picture
        self._alone = minds_company(self.network)
        self._notice = notice
        # Pixels of the largest picture that goes through in one piece, and of the largest pass of several, as far as is
        # known. A CPU does not say when its memory is full.
        self._whole = self._room = WHOLE if self.device.type == "cpu" else sys.maxsize
        self._compiled = self._told = False
        self._pieces = True  # until the network turns out to use what cannot be computed in them

    @property
    def scale(self) -> int:
        """How much larger than a picture its translation is."""
        return self.sight.scale

    def compile(self) -> None:
        """Have the network compiled at its first passes, or ``notice`` told why not: minutes that pay for thousands."""
        self.network.compile()
        self._compiled = True

    def __call__(self, image: Image.Image) -> Image.Image:
        """The translation of ``image``, turned upright by its EXIF orientation, as RGB of ``scale`` times its size.

        Padded by reflection to what the network can take, and cropped back. Dropout, where the model keeps
        it in use, is drawn from the same seed each time. A model that fills holes wants RGBA, transparent where
        there is one; one that finds colours is shown a copy whose shorter side is as in its training. Raises I2IError
        where the picture does not fit memory.
        """
        return self.translate([image])[0]

    def translate(self, images: Sequence[Image.Image]) -> list[Image.Image]:
        """As calling it on each of ``images``, but faster: neighbours of one ``padded`` size share passes.

        A picture comes out the same in any company, up to the rounding of another order of sums: models with dropout
        or batch statistics in use see one picture at a time.
        """
        upright, started = [self.sight.upright(image) for image in images], list[Pending]()
        while left := upright[len(started) :]:
            started += self.begin(left[: self.at_once(self.padded(left[0].size))])
        return [pending() for pending in started]

    def begin(self, images: Sequence[Image.Image]) -> list[Pending]:
        """Put upright RGB pictures, such as ``read`` gives, through together; each result is waited for by a call.

        On CUDA the device is at work while the caller goes on, and results may be waited for in other threads. A pass
        that does not fit the memory is halved, down to one picture, and later ones are no larger; one picture that does
        not fit is computed in pieces, with the statistics of all of it, and comes out the same.
        """
        if self.sight.small is None:
            return self._begin(images)
        copies = [image.resize(shrunk(image.size, self.sight.small), Image.Resampling.BICUBIC) for image in images]
        begun = self._begin(copies)
        return [partial(self._recoloured, image, pending) for image, pending in zip(images, begun, strict=True)]

    def _recoloured(self, photo: Image.Image, small: Pending) -> Image.Image:
        return recoloured(photo, small(), self.device)

    def _begin(self, images: Sequence[Image.Image]) -> list[Pending]:
        started: list[Pending] = []
        while left := images[len(started) :]:
            if self._pieces and area(self.padded(left[0].size)) > self._whole:
                try:
                    started.append(self._in_pieces(left[0]))
                except NotImplementedError:  # in tiles, then in strips, else as it is
                    self._reach, self._pieces = None, self._reach is not None
                continue
            shape, neighbours = next(groupby(left, lambda image: self.padded(image.size)))
            room = 1 if self._alone else max(1, self._room // (shape[0] * shape[1]))
            some = list(neighbours)[:room]
            try:
                started += self._pass(some)
                continue
            except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
                if not is_of_memory(error):
                    raise
                if len(some) == 1 and not self._pieces:
                    raise self._too_large(left[0]) from error
            self._reduce(len(some), shape)  # only here is what the failed pass held free again
        return started

    def padded(self, size: Size) -> Size:
        """Width and height in which the network sees a picture of ``size``; what shares them can share a pass."""
        return self.sight.padded(size)

    def at_once(self, size: Size) -> int:
        """How many pictures of a ``padded`` size go through fastest in one pass."""
        if self._alone or area(size) > self._whole:
            return 1
        # A CPU is busy from 64² to 128² pixels on: 9 blocks in bfloat16 take 56, 49, 41 and 41 ms of one core a picture
        # of 64² in passes of 1, 2, 4 and 8; 164, 157, 164 and 172 at 128²; 590, 660, 720 and 930 at 256². A GPU wants
        # millions of pixels to fill its units in the residual blocks, at a sixteenth of the pixels.
        pixels, most = (8_000_000, 32) if self.device.type == "cuda" else (128 * 128, 8)
        if self.sight.small is not None:  # the photos themselves may be large, and wait with their copies
            most = 4
        return max(1, min(most, pixels // (size[0] * size[1])))

    def _reduce(self, count: int, size: Size) -> None:
        """Remember that ``count`` pictures of a padded size are too many, and say so the first time."""
        if count == 1:
            self._whole = area(size) - 1
            self._notice(
                f"A picture of {size[0]}x{size[1]} pixels does not fit the memory of {self.device} in one piece: "
                "going on in pieces."
            )
            return
        if not self._told:
            self._told = True
            self._notice(
                f"{count} pictures of {size[0]}x{size[1]} pixels do not fit the memory of {self.device} at once: "
                "going on with fewer at a time."
            )
        self._room = count // 2 * area(size)

    @torch.inference_mode()
    def _pass(self, images: Sequence[Image.Image]) -> list[Pending]:
        batch, corners = self.sight.laid_out(images)
        picture = to_float(batch.to(self.device, non_blocking=True).permute(0, 3, 1, 2))  # channels-last, as it lies
        with seeded(self.device, 0), autocast(self.device, self.dtype):
            translated = to_uint8(self._run(self.sight.given(picture))).permute(0, 2, 3, 1)
        found = [
            to_host(self.sight.cropped(whole, corner, image.size))
            for whole, corner, image in zip(translated, corners, images, strict=True)
        ]
        done = torch.cuda.Event() if self.device.type == "cuda" else None
        if done is not None:
            done.record(torch.cuda.current_stream(self.device))
        return [partial(picture_of, pixels.numpy(), done) for pixels in found]

    def _run(self, picture: torch.Tensor) -> torch.Tensor:
        try:
            return self.network(picture)
        except Exception as error:  # a compiler has countless ways to fail
            if not self._compiled or is_of_memory(error):
                raise
            self.network._compiled_call_impl, self._compiled = None, False
            self._notice(f"The network cannot be compiled here ({str(error).splitlines()[0]}): used as it is.")
        return self.network(picture)

    @torch.inference_mode()
    def _in_pieces(self, image: Image.Image) -> Pending:
        """As ``_pass``, but waits for the result, in memory that grows with a sixteenth of the pixels or not at all."""

        def fetch(rows: slice, columns: slice = slice(None)) -> torch.Tensor:
            return self.sight.given(to_float(batch[:, rows, columns].to(self.device).permute(0, 3, 1, 2)))

        try:
            batch, (corner,) = self.sight.laid_out([image])
            height, width = batch.shape[1:3]
            with seeded(self.device, 0), autocast(self.device, self.dtype):
                if self._reach is not None:
                    found = in_tiles(height, width, lambda *place: _levels(self._run(fetch(*place))),
                                     self._reach, self.sight.multiple, min(self._whole, WHOLE))  # fmt: skip
                else:  # the network as it is: a compiler looks into tensors alone
                    network = self.network._call_impl if self._compiled else self.network
                    picture = in_strips(height, width, lambda top, bottom: fetch(slice(top, bottom)))
                    found = torch.cat([_levels(strip) for _, strip in network(picture).strips()])
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if not is_of_memory(error):
                raise
            raise self._too_large(image) from error
        return partial(picture_of, self.sight.cropped(found, corner, image.size).numpy(), None)

    def _too_large(self, image: Image.Image) -> I2IError:
        size = f"{image.width}x{image.height}"
        return I2IError(f"A picture of {size} pixels does not fit the memory of {self.device}.")


def _levels(picture: torch.Tensor) -> torch.Tensor:
    """(1, 3, H, W) in [-1, 1] as uint8 (H, W, 3) on the CPU."""
    return to_uint8(picture)[0].permute(1, 2, 0).cpu()


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
    made = provenance(path)
    return Translator(
        network,
        config,
        size=size,
        direction=chosen,
        device=device,
        precision=precision,
        about=bundle.header,
        provenance=replace(made, model=f"{made.model} {chosen}"),
        level=level_of(model, config, bundle.header, strength),
        mask=mask,
        notice=notice,
    )
