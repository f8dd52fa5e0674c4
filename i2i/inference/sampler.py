"""Generate images from noise with a trained generator."""

import operator
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, overload

import torch
from PIL import Image
from torch import Tensor, nn

from i2i.arguments import check_types
from i2i.checkpoints.model_file import find_model_file, load_model_file, provenance_of
from i2i.checkpoints.model_info import ModelInfo
from i2i.config import require
from i2i.device import Precision, autocast, resolve_device, resolve_dtype
from i2i.directions import SAMPLE
from i2i.errors import ArgumentTypeError, ArgumentValueError, UsageError
from i2i.images import Provenance, to_uint8
from i2i.model_networks import read_network_config
from i2i.networks import NOISE_GENERATORS, NoiseGeneratorConfig, prepare_for_inference
from i2i.networks.latent import latents_from_seeds, slerp

BATCH_SIZE = 16  # every batch is filled up to this size, so that an image does not depend on how many are generated
MAX_IMAGES = 100_000


class Sampler:
    """Generate images with the generator of a model file. An image depends on its seed only.

    >>> sampler = i2i.load_sampler("shapes-gan")
    >>> sampler(7).save("seed-7.png")
    >>> first, second = sampler(range(2))

    Args:
        network: the generator.
        config: config of the generator.
        size: pixels a side of the images.
        device: "auto", or the name of a torch device.
        precision: "auto", "float32" or "bfloat16".
        info: metadata of the model file.
        provenance: the model, as its results name it in their metadata.
    """

    def __init__(
        self,
        network: nn.Module,
        config: NoiseGeneratorConfig,
        *,
        size: int,
        device: str = "auto",
        precision: Precision = "auto",
        info: ModelInfo | None = None,
        provenance: Provenance | None = None,
    ) -> None:
        self.device = resolve_device(device)
        self.dtype = resolve_dtype(precision, self.device)
        self.network = prepare_for_inference(network, config).to(self.device).to(memory_format=torch.channels_last)
        self.config = config
        self.size = size
        self.info = info
        self.provenance = provenance

    def __repr__(self) -> str:
        name = self.provenance.model if self.provenance is not None else "the model"
        dtype = str(self.dtype).removeprefix("torch.")
        return f"<Sampler {name}, {self.size}x{self.size} pixels, on {self.device} in {dtype}>"

    @overload
    def __call__(self, seeds: int) -> Image.Image: ...

    @overload
    def __call__(self, seeds: Iterable[int]) -> list[Image.Image]: ...

    def __call__(self, seeds: int | Iterable[int]) -> Image.Image | list[Image.Image]:
        """Generate the RGB image of a seed, or a list of the images of several seeds, in their order.

        Args:
            seeds: whole numbers from 0 to 2^63 - 1.

        Raises:
            ArgumentTypeError: a TypeError: a seed is no whole number.
            ArgumentValueError: a ValueError: a seed is out of range.

        >>> images = i2i.load_sampler("shapes-gan")(range(20))
        >>> len(images), images[0].size
        (20, (16, 16))
        """
        if isinstance(seeds, Iterable) and not isinstance(seeds, str | bytes):
            return list(self.generate([_checked_seed(seed) for seed in seeds]))
        return next(self.generate([_checked_seed(seeds)]))

    def generate(self, seeds: Sequence[int]) -> Iterator[Image.Image]:
        """Generate the RGB image of each seed, batch by batch, so that any number of seeds takes little memory."""
        for start in range(0, len(seeds), BATCH_SIZE):
            yield from self._generate(latents_from_seeds(seeds[start : start + BATCH_SIZE], self.config.latent))

    def interpolate(self, start: int, end: int, steps: int) -> Iterator[Image.Image]:
        """Generate ``steps`` images, at least 2, from that of the seed ``start`` to that of ``end``, both included."""
        first, last = latents_from_seeds([start, end], self.config.latent)
        latents = torch.stack([slerp(first, last, step / (steps - 1)) for step in range(steps)])
        for batch in latents.split(BATCH_SIZE):
            yield from self._generate(batch)

    @torch.inference_mode()
    def _generate(self, latents: Tensor) -> list[Image.Image]:
        full_batch = torch.cat([latents, latents.new_zeros(BATCH_SIZE - len(latents), latents.shape[1])])
        with autocast(self.device, self.dtype):
            pixels = to_uint8(self.network(full_batch.to(self.device)))[: len(latents)]
        return [Image.fromarray(image) for image in pixels.permute(0, 2, 3, 1).cpu().numpy()]


def load(
    model: str | os.PathLike[str], *, device: str | torch.device = "auto", precision: Precision = "auto"
) -> Sampler:
    """Load a sampler.

    Args:
        model: name of a run, folder of a run, or path of a model file; "hf://user/repo" is a model of the Hugging Face
            Hub.
        device: "auto", or a torch device or its name.
        precision: "auto", "float32" or "bfloat16".

    Raises: ModelFileError, or UsageError for a model that translates images.

    >>> image = i2i.load_sampler("shapes-gan")(7)  # the image of seed 7
    """
    check_types(load, locals())
    model = os.fspath(model)
    path = find_model_file(model)
    model_file = load_model_file(path)
    if not model_file.info.samples_from_noise:
        raise UsageError(
            f"{model} translates images and cannot generate images from noise. "
            f"Translate images with `i2i convert {model} photos/ --out out/`, or by i2i.load({model!r}) in Python."
        )
    config = read_network_config(path, model_file, NOISE_GENERATORS, "generator of images from noise")
    network = config.build(model_file.info.size)
    network.load_state_dict(model_file.state_dict(SAMPLE))
    provenance = replace(provenance_of(path), kind="trained")
    return Sampler(
        network,
        config,
        size=model_file.info.size,
        device=str(device),
        precision=precision,
        info=model_file.info,
        provenance=provenance,
    )


def _checked_seed(seed: Any) -> int:
    try:
        number = operator.index(seed)
    except TypeError as error:
        raise ArgumentTypeError(
            f"A seed is {seed!r}; it must be a whole number. A sampler takes one seed or several, such as range(20)."
        ) from error
    if not 0 <= number < 2**63:
        raise ArgumentValueError(f"A seed is {number}; it must be from 0 to 2^63 - 1.")
    return number


def seed_range(first: int, count: int) -> range:
    """Return ``count`` seeds from ``first`` on. Raises ConfigError if the count or a seed is out of range."""
    require(1 <= count <= MAX_IMAGES, "num_images", count, f"from 1 to {MAX_IMAGES}")
    require(0 <= first <= 2**63 - count, "seed", first, f"from 0 to 2^63 - {count}")
    return range(first, first + count)
