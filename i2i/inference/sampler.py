"""A trained generator in use: seeds in, pictures out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from i2i.checkpoints.run import find_bundle, load_bundle, provenance
from i2i.config import require
from i2i.device import Precision, autocast, pick_device, pick_precision
from i2i.errors import I2IError, UsageError
from i2i.images import Provenance, Writer, tiles, to_uint8, write_atomic
from i2i.images.formats import BY_SUFFIX
from i2i.inference.loading import SAMPLE, described
from i2i.networks import SAMPLERS, SamplerConfig, use_mode
from i2i.networks.latent import between, noise_of

BATCH = 16  # pictures in every pass, the last filled up: none depends on how many were asked for
MOST = 100_000  # pictures
MOST_IN_GRID = 1024
SHOWN = 128  # pixels a side that small pictures are enlarged to in a grid


class Sampler:
    """The generator of a bundle, ready to paint. Each picture has a seed of its own, and is the same every time.

    >>> first, second = sample.load("shapes-gan")(range(2))
    """

    def __init__(
        self,
        network: nn.Module,
        config: SamplerConfig,
        *,
        size: int,
        device: str = "auto",
        precision: Precision = "auto",
        about: Mapping[str, Any] | None = None,
        provenance: Provenance | None = None,
    ) -> None:
        self.device = pick_device(device)
        self.dtype = pick_precision(precision, self.device)
        self.network = use_mode(network, config).to(self.device).to(memory_format=torch.channels_last)
        self.config, self.size = config, size
        self.about, self.provenance = dict(about or {}), provenance

    def __call__(self, seeds: Sequence[int]) -> Iterator[Image.Image]:
        """The pictures of ``seeds``, RGB, in their order."""
        for start in range(0, len(seeds), BATCH):
            yield from self._painted(noise_of(seeds[start : start + BATCH], self.config.latent))

    def interpolate(self, start: int, end: int, steps: int) -> Iterator[Image.Image]:
        """``steps`` pictures on the way from that of seed ``start`` to that of seed ``end``, both included."""
        first, last = noise_of([start, end], self.config.latent)
        path = torch.stack([between(first, last, step / (steps - 1)) for step in range(steps)])
        for noise in path.split(BATCH):
            yield from self._painted(noise)

    @torch.inference_mode()
    def _painted(self, noise: Tensor) -> list[Image.Image]:
        full = torch.cat([noise, noise.new_zeros(BATCH - len(noise), noise.shape[1])])
        with autocast(self.device, self.dtype):
            pixels = to_uint8(self.network(full.to(self.device)))[: len(noise)]
        return [Image.fromarray(picture) for picture in pixels.permute(0, 2, 3, 1).cpu().numpy()]


def load(model: str, *, device: str = "auto", precision: Precision = "auto") -> Sampler:
    """The sampler of a run's name, a run's folder or a bundle's path. Raises BundleError, or UsageError for a model
    that translates pictures."""
    path = find_bundle(model)
    bundle = load_bundle(path)
    if bundle.header.get("directions") in (["AtoB"], ["BtoA"], ["AtoB", "BtoA"]):
        raise UsageError(
            f"{model} translates pictures and makes none from noise: `i2i convert {model} photos/ --out out/`."
        )
    config, size, _ = described(path, bundle, SAMPLERS, SAMPLE, "generator of pictures from noise")
    network = config.build(size)
    network.load_state_dict(bundle.of(*SAMPLE))
    painter = replace(provenance(path), kind="trained")
    return Sampler(
        network, config, size=size, device=device, precision=precision, about=bundle.header, provenance=painter
    )


def seeds(first: int, count: int) -> range:
    """``count`` seeds from ``first`` on. Raises ConfigError where there are too many, or they are too large."""
    require(1 <= count <= MOST, "count", count, f"from 1 to {MOST}")
    require(0 <= first <= 2**63 - count, "seed", first, f"from 0 to 2^63 - {count}")
    return range(first, first + count)


def path_between(ends: Sequence[int], steps: int) -> tuple[int, int, int]:
    """Two seeds and the number of pictures from one to the other. Raises ConfigError where they are out of range."""
    require(2 <= steps <= MOST_IN_GRID, "steps", steps, f"from 2 to {MOST_IN_GRID}")
    for end in ends:
        require(0 <= end < 2**63, "interpolate", end, "seeds from 0 to 2^63 - 1")
    start, end = ends
    return start, end, steps


def targets(out: Path | None, separate: Path | None, names: Sequence[int], overwrite: bool) -> list[Path]:
    """Where each picture's own file goes; empty without ``separate``.

    Raises UsageError where the pictures have no place to go to, or something is there already.
    """
    if out is None and separate is None:
        raise UsageError(
            "Where do the pictures go? --out grid.png puts all into one, --separate DIR each into its own."
        )
    if out is not None:
        if out.suffix.lower() not in BY_SUFFIX:
            raise UsageError(f"--out {out} must be a picture's name, such as grid.png; --separate names a folder.")
        require(len(names) <= MOST_IN_GRID, "count", len(names), f"at most {MOST_IN_GRID} in one grid (use --separate)")
    if separate is not None and separate.suffix.lower() in BY_SUFFIX and not separate.is_dir():
        raise UsageError(f"--separate {separate} looks like a picture's name; it must be a folder.")
    each = [separate / f"{name:05}.png" for name in names] if separate is not None else []
    taken = [path for path in (*([out] if out else []), *each) if path.exists()]
    if taken and not overwrite:
        raise UsageError(f"{taken[0]} is there already: choose another place, or --overwrite.")
    return each


def write(
    images: Iterable[Image.Image],
    out: Path | None,
    each: Sequence[Path],
    across: int,
    painter: Provenance | None = None,
) -> None:
    """Write pictures into one grid, ``across`` in a row, and into a file each, where these are asked for.

    painter: the model that they say made them. Raises I2IError where a file cannot be written.
    """
    kept = []
    for index, image in enumerate(images):
        if each:
            _save(each[index], image, painter)
        if out is not None:
            kept.append(np.asarray(image))
    if out is not None:
        scale = max(1, SHOWN // len(kept[0]))
        _save(out, tiles(np.stack(kept).repeat(scale, 1).repeat(scale, 2), across), painter)


def _save(path: Path, image: Image.Image, painter: Provenance | None) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, Writer(suffix=path.suffix.lower(), provenance=painter)(image))
    except OSError as error:
        raise I2IError(f"{path} could not be written: {error.strerror}.") from error
