"""Translate the images of a live camera: one at a time, in turns with photos. They are neither decoded nor stored."""

import time
from dataclasses import dataclass
from urllib.parse import urlencode

from PIL import Image

from i2i.demo.components import validate_strength
from i2i.demo.labels import purpose
from i2i.demo.limits import Limits
from i2i.demo.model_registry import ModelChoice, ModelRegistry, RegisteredModel
from i2i.demo.translation import resolve_direction
from i2i.errors import UsageError
from i2i.images.writing import FULL_CHROMA_QUALITY, encode

SIDES = (128, 192, 256, 384, 512)  # pixels
DEFAULT_SIDE = 256
MAX_WAIT = 30.0  # seconds that an image waits for the jobs before it


@dataclass(frozen=True)
class CameraSettings:
    """What is done with each image of a camera.

    Attributes:
        model: a name of the registry.
        direction: "AtoB" or "BtoA".
        strength: the degradation strength, for a model that takes one.
        side: pixels of a side of the square that the model gets.
    """

    model: str
    direction: str
    strength: float | None = None
    side: int = DEFAULT_SIDE

    @property
    def image_bytes(self) -> int:
        """Bytes of an image: the rows from the top, each pixel as red, green, blue."""
        return 3 * self.side**2

    def query(self) -> str:
        """Return the settings as the query of a URL."""
        strength = {} if self.strength is None else {"strength": f"{self.strength:g}"}
        return urlencode({"model": self.model, "direction": self.direction, "side": self.side, **strength})


@dataclass(frozen=True)
class CameraResult:
    """A translated image of a camera.

    Attributes:
        image: in RGB.
        waiting_seconds: for other jobs.
        loading_seconds: of the model; near 0 if it was loaded already.
        seconds: of the model.
    """

    image: Image.Image
    waiting_seconds: float
    loading_seconds: float
    seconds: float

    def encode(self) -> bytes:
        """Return the image as JPEG with colours at full resolution."""
        return encode(self.image, ".jpg", quality=FULL_CHROMA_QUALITY)

    def timing(self) -> str:
        """Return the times as the value of the header Server-Timing, in milliseconds."""
        times = {"wait": self.waiting_seconds, "load": self.loading_seconds, "network": self.seconds}
        return ", ".join(f"{name};dur={1000 * seconds:.1f}" for name, seconds in times.items())


class CameraTranslator:
    """Translates the images of cameras. Each image waits for its turn behind the photos that came before it.

    Args:
        registry: the models.
        limits: of the server.
    """

    def __init__(self, registry: ModelRegistry, limits: Limits) -> None:
        self.registry = registry
        self.limits = limits

    def models(self) -> dict[str, RegisteredModel]:
        """Return the models that take the images of a camera, by name, in the order of the registry."""
        return {name: model for name, model in self.registry.models().items() if not _refusal(model)}

    def settings(
        self, name: str, direction: str | None = None, strength: float | None = None, side: int = DEFAULT_SIDE
    ) -> CameraSettings:
        """Return settings that the server accepts.

        Args:
            name: a model of the registry.
            direction: None is the model's first direction.
            strength: the degradation strength; ignored for a model that takes none.
            side: one of SIDES.

        Raises:
            UsageError: there is no such model, direction, strength or side, or the model does not take camera images.
        """
        model = self.registry.model(name)
        if "+" in name and name not in self.registry.models():
            raise UsageError("The camera takes one model, not a chain. Choose one of them.")
        if reason := _refusal(model):
            raise UsageError(reason)
        if side not in SIDES:
            raise UsageError(f"The side is {side} pixels; it must be one of {', '.join(map(str, SIDES))}.")
        if side**2 > self.limits.max_pixels:
            raise UsageError(
                f"A side of {side} pixels is beyond the {self.limits.max_pixels} pixels that an image may have on this "
                "server. Choose a smaller side."
            )
        direction = resolve_direction(name, model.info.directions, direction)
        return CameraSettings(name, direction, validate_strength(self.registry, name, strength), side)

    def describe(self, settings: CameraSettings) -> str:
        """Return in words what a model does, and the size of its results."""
        model = self.registry.model(settings.model)
        side, result = settings.side, settings.side * model.info.scale
        enlarged = f" The result has {result} × {result}." if result != side else ""
        return (
            f"{settings.model}: {purpose(model)}. The model gets the middle of the camera's picture, "
            f"{side} × {side} pixels.{enlarged}"
        )

    def __call__(self, settings: CameraSettings, pixels: bytes) -> CameraResult:
        """Translate an image.

        Args:
            settings: as ``settings`` returns them.
            pixels: of the image; see ``CameraSettings.image_bytes``.

        Raises:
            BusyError: the jobs before it took more than MAX_WAIT.
            UsageError: ``pixels`` has another length.
        """
        if len(pixels) != settings.image_bytes:
            raise UsageError(
                f"An image of {settings.side} × {settings.side} pixels has {settings.image_bytes} bytes, three for "
                f"each pixel; found {len(pixels)}."
            )
        image = Image.frombytes("RGB", (settings.side, settings.side), pixels)
        arrived = time.monotonic()
        with self.registry.lock.hold(MAX_WAIT):
            started = time.monotonic()
            choice = ModelChoice(settings.model, settings.direction, settings.strength)
            translator = self.registry.translator(choice)
            loaded = time.monotonic()
            result = translator(image)
            finished = time.monotonic()
        return CameraResult(result.convert("RGB"), started - arrived, loaded - started, finished - loaded)


def _refusal(model: RegisteredModel) -> str:
    """Return why a model does not take the images of a camera, or ""."""
    if not model.info.takes_pictures:
        return f"{model.name} takes {model.takes}; a camera delivers RGB of 8 bits. Choose a model for photos."
    if model.info.takes_mask:
        return f"{model.name} fills a region that somebody paints, so it cannot be used live. Choose another model."
    return ""
