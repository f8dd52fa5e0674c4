"""A trained translator in use: picture in, picture out, of any size."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import nn

from i2i.checkpoint import Bundle, find_bundle, load_bundle
from i2i.config import ConfigError, check, from_json
from i2i.device import Precision, autocast, pick_device, pick_precision
from i2i.errors import BundleError, I2IError, UsageError
from i2i.images import to_float, to_uint8
from i2i.networks import GENERATORS, GeneratorConfig, Identity, IdentityConfig, build_generator, size_multiple, use_mode

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
        self._multiple = size_multiple(config, size)

    def __call__(self, image: Image.Image) -> Image.Image:
        """The translation of ``image``, as RGB of the same size.

        Padded by reflection to what the network can take, and cropped back. Dropout, where the model keeps
        it in use, is drawn from the same seed each time. Raises I2IError where the picture does not fit memory.
        """
        pixels = np.asarray(image.convert("RGB"))
        height, width = pixels.shape[:2]
        top, bottom = _margins(height, self._multiple)
        left, right = _margins(width, self._multiple)
        padded = np.pad(pixels, ((top, bottom), (left, right), (0, 0)), mode="reflect")
        translated = self._translate(padded)
        return Image.fromarray(translated[top : top + height, left : left + width])

    @torch.inference_mode()
    def _translate(self, pixels: np.ndarray) -> np.ndarray:
        batch = torch.from_numpy(pixels).permute(2, 0, 1)[None].to(self.device)
        picture = to_float(batch).contiguous(memory_format=torch.channels_last)
        try:
            with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
                torch.manual_seed(0)
                with autocast(self.device, self.dtype):
                    translated = self.network(picture)
        except (torch.OutOfMemoryError, MemoryError) as error:
            height, width = pixels.shape[:2]
            raise I2IError(f"A picture of {width}x{height} pixels does not fit the memory of {self.device}.") from error
        return to_uint8(translated)[0].permute(1, 2, 0).cpu().numpy()


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
        size, directions = _size(bundle.header), list(bundle.header["directions"])
    except (ConfigError, KeyError, TypeError) as error:
        raise BundleError(f"{path}: its header does not describe a translator ({error}).") from error
    chosen = direction or directions[0]
    if chosen not in directions:
        raise UsageError(f"{model} has no direction {chosen!r}; it has {', '.join(directions)}.")
    network = build_generator(config, size)
    _fill(network, bundle, chosen, str(path))
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


def _fill(network: nn.Module, bundle: Bundle, direction: str, path: str) -> None:
    tensors = bundle.of(direction)
    wanted = network.state_dict()
    for name, tensor in tensors.items():
        if name in wanted and tensor.dtype != wanted[name].dtype and not tensor.is_floating_point():
            raise BundleError(f"{path}: {direction}.{name} is {tensor.dtype}, not {wanted[name].dtype}.")
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        detail = str(error).splitlines()[-1].strip()
        raise BundleError(f"{path}: the weights do not fit the network of the header ({detail})") from error
