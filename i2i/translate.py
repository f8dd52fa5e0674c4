"""A trained translator in use: picture in, picture out, of any size."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from i2i.checkpoint import Bundle, find_bundle, load_bundle
from i2i.config import ConfigError, check, from_json
from i2i.device import Precision, autocast, pick_device, pick_precision, seeded
from i2i.errors import BundleError, I2IError, UsageError
from i2i.images import to_float, to_uint8, upright_rgb
from i2i.networks import GENERATORS, GeneratorConfig, Identity, IdentityConfig, use_mode

_OUT_OF_MEMORY = re.compile(r"can't allocate memory|out of memory|not enough memory", re.IGNORECASE)
SMALLEST = 16  # pixels a side to which smaller pictures are padded, so that every layer has some to look at


class Translator:
    """One direction of a bundle, ready to translate pictures.

    >>> zebra = i2i.load("horse2zebra-cyclegan")(Image.open("horse.jpg"))
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
    ) -> None:
        self.device = pick_device(device)
        self.dtype = pick_precision(precision, self.device)
        self.network = use_mode(network, config).to(self.device).to(memory_format=torch.channels_last)
        self.direction = direction
        self.about = dict(about or {})
        self._multiple = config.multiple(size)

    def __call__(self, image: Image.Image) -> Image.Image:
        """The translation of ``image``, turned upright by its EXIF orientation, as RGB of the same size.

        Padded by reflection to what the network can take, and cropped back. Dropout, where the model keeps
        it in use, is drawn from the same seed each time. Raises I2IError where the picture does not fit memory.
        """
        try:
            return self._translated(upright_rgb(image))
        except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and not _OUT_OF_MEMORY.search(str(error)):
                raise
            shape = f"{image.width}x{image.height}"
            raise I2IError(f"A picture of {shape} pixels does not fit the memory of {self.device}.") from error

    @torch.inference_mode()
    def _translated(self, image: Image.Image) -> Image.Image:
        pixels = np.asarray(image)
        height, width = pixels.shape[:2]
        top, bottom = _margins(height, self._multiple)
        left, right = _margins(width, self._multiple)
        padded = np.pad(pixels, ((top, bottom), (left, right), (0, 0)), mode="reflect")
        batch = torch.from_numpy(padded).permute(2, 0, 1)[None].to(self.device)
        picture = to_float(batch).contiguous(memory_format=torch.channels_last)
        with seeded(self.device, 0), autocast(self.device, self.dtype):
            translated = to_uint8(self.network(picture))
        return Image.fromarray(translated[0].permute(1, 2, 0).cpu().numpy()[top : top + height, left : left + width])


def _margins(length: int, multiple: int) -> tuple[int, int]:
    """Pixels to add before and after, so that ``length`` is a multiple and not too small."""
    missing = -(-max(length, SMALLEST) // multiple) * multiple - length
    return missing // 2, missing - missing // 2


def load(
    model: str, direction: str | None = None, *, device: str = "auto", precision: Precision = "auto"
) -> Translator:
    """The translator of a run's name, a run's folder or a bundle's path; "identity" returns its input.

    direction: "AtoB" or "BtoA"; by default the model's first. Raises BundleError or UsageError, naming what there is.
    """
    if model == "identity":
        return Translator(Identity(), IdentityConfig(), size=SMALLEST, direction=direction or "AtoB", device=device)
    path = find_bundle(model)
    bundle = load_bundle(path)
    try:
        config = read_generator(bundle.header)
        size, directions = _size(bundle.header), _directions(bundle.header)
        with torch.device("meta"):
            _check_tensors(config.build(size).state_dict(), bundle, directions)
    except (ConfigError, KeyError, TypeError) as error:
        raise BundleError(f"{path}: its header does not describe a translator ({error}).") from error
    chosen = direction or directions[0]
    if chosen not in directions:
        raise UsageError(f"{model} has no direction {chosen!r}; it has {', '.join(directions)}.")
    network = config.build(size)
    network.load_state_dict(bundle.of(chosen))
    return Translator(
        network, config, size=size, direction=chosen, device=device, precision=precision, about=bundle.header
    )


def read_generator(header: Mapping[str, Any]) -> GeneratorConfig:
    """The generator's config in a bundle's header, every number in it checked. Raises ConfigError."""
    described = header["generator"]
    name = described.get("network") if isinstance(described, dict) else None
    if name not in GENERATORS:
        raise ConfigError(f"generator.network is {name!r}; this i2i knows {', '.join(GENERATORS)}")
    return from_json(GENERATORS[name], described, "generator")


def _size(header: Mapping[str, Any]) -> int:
    size = header["size"]
    check(isinstance(size, int) and 8 <= size <= 2048, "size", size, "from 8 to 2048")
    return size


def _directions(header: Mapping[str, Any]) -> list[str]:
    found = header["directions"]
    known = isinstance(found, list) and found and all(name in ("AtoB", "BtoA") for name in found)
    check(bool(known), "directions", found, "a list of AtoB, BtoA or both")
    return found


def _check_tensors(wanted: Mapping[str, torch.Tensor], bundle: Bundle, directions: list[str]) -> None:
    """Raise ConfigError where the tensors are not those of the described network, before any memory is taken."""
    expected = {f"{direction}.{name}": value for direction in directions for name, value in wanted.items()}
    if odd := sorted(expected.keys() ^ bundle.tensors.keys()):
        raise ConfigError(f"the weights do not fit the network it describes: {odd[0]} and {len(odd) - 1} more")
    for name, tensor in bundle.tensors.items():
        want = expected[name]
        if tensor.shape != want.shape or tensor.is_floating_point() != want.is_floating_point():
            raise ConfigError(
                f"the weights do not fit the network it describes: {name} is {tensor.dtype} {tuple(tensor.shape)}, "
                f"not {want.dtype} {tuple(want.shape)}"
            )
