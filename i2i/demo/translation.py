"""One photo through one model: read, translated when it is its turn, and written, with word of how far it is."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image, ImageOps

from i2i.demo.eta import Pace, spoken
from i2i.demo.model_registry import Models
from i2i.errors import UsageError
from i2i.images import Photo

Tell = Callable[[float, str], None]  # is told the share that is done, in [0, 1], and what is being done
TICK = 0.25  # seconds between two words of progress


@dataclass(frozen=True)
class Answer:
    """before: the photo as RGB. file: the result as PNG, in full. seconds: in the network; loading: of the model."""

    before: Image.Image
    after: Image.Image
    file: Path
    model: str
    direction: str
    seconds: float
    loading: float
    device: str

    def told(self) -> str:
        """In words, for people."""
        size = "{} × {} pixels".format(*self.after.size)
        loading = f", and {spoken(self.loading)} to load the model" if self.loading >= 0.1 else ""
        return f"{self.model} made {size} in {spoken(self.seconds)} on {self.device}{loading}."

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        size = {"width": self.after.width, "height": self.after.height}
        took = {"seconds": round(self.seconds, 3), "loading_seconds": round(self.loading, 3)}
        return {"model": self.model, "direction": self.direction, **size, **took, "device": self.device}


class Translating:
    """Translates one photo at a time, in the order in which they came."""

    def __init__(self, models: Models) -> None:
        self.models, self.pace = models, Pace()
        self._network = ThreadPoolExecutor(1, "i2i-demo")  # so that whoever waits for it can tell how far it is

    def __call__(
        self,
        path: str | Path | None,
        name: str,
        direction: str | None = None,
        strength: float | None = None,
        mask: str | Path | None = None,
        tell: Tell = lambda share, what: None,
    ) -> Answer:
        """Translate an uploaded photo. direction: None is the model's first. strength: see ``i2i.inference.translator.load``.

        mask: an uploaded picture, white where a model that fills holes is to fill; else what is transparent.
        Raises I2IError with what is wrong, in words for who sent the photo.
        """
        model, limits = self.models.model(name), self.models.desk.limits
        direction = chosen(name, model.directions, direction)
        tell(0.0, "Reading the photo")
        photo = self.models.desk.photo(path)
        fills = model.header.get("generator", {}).get("shows") == "mask"
        if fills:
            photo = self._with_holes(photo, mask)
        pixels = photo.image.width * photo.image.height
        guess = self._guess(name, direction, pixels)
        if ahead := self.models.turn.ahead():
            tell(0.02, f"Waiting for the model, {ahead} before you")
        with self.models.turn(limits.seconds):
            began = time.monotonic()
            tell(0.04, "Loading the model")
            translator = self.models.translator(name, direction, strength)
            loading, began = time.monotonic() - began, time.monotonic()
            after = self._watched(translator, seen(photo) if fills else photo.image, guess, tell)
            took = time.monotonic() - began
        self.pace.note((name, direction), pixels, took)
        tell(0.95, "Writing the result")
        result = f"{Path(str(path)).stem}-{name.replace('/', '-')}-{direction}"
        file = self.models.desk.save(after, result, None if fills else photo, translator.provenance)
        return Answer(photo.image, after, file, name, direction, took, loading, translator.device.type)

    def _guess(self, name: str, direction: str, pixels: int) -> float | None:
        """Seconds that it will take, where that is known. Raises UsageError where they are too many."""
        guess, most = self.pace.guess((name, direction), pixels), self.models.desk.limits.seconds
        if guess is not None and guess > most:
            raise UsageError(
                f"This photo would take {name} about {spoken(guess)}, and {spoken(most)} is all that a photo gets "
                "here. Send a smaller one."
            )
        return guess

    def _watched(self, translator: Any, picture: Image.Image, guess: float | None, tell: Tell) -> Image.Image:
        began, running = time.monotonic(), self._network.submit(translator, picture)
        while not wait([running], TICK).done:
            spent = time.monotonic() - began
            if guess is None:
                tell(0.1, f"Translating ({spoken(spent)} so far)")
            else:
                left = f"about {spoken(guess - spent)} left" if spent < guess else "any moment now"
                tell(0.1 + 0.8 * min(1.0, spent / guess), f"Translating ({left})")
        return running.result()

    def _with_holes(self, photo: Photo, mask: str | Path | None) -> Photo:
        """The photo with what is to be filled in as the transparent part of it."""
        from i2i.inference.masks import HoleReader

        if mask:
            marked = self.models.desk.photo(mask).image.convert("L")
            if marked.size != photo.image.size:
                raise UsageError("The mask has another size than the photo: draw it on a copy of the photo.")
            photo = replace(photo, alpha=ImageOps.invert(marked))
        elif photo.alpha is None:
            raise UsageError(
                "This model fills in what is missing, and nothing in this photo is transparent. Erase a part of it, "
                "or add a mask that is white where it is to be filled."
            )
        return HoleReader(None).marked(Path("The photo"), photo)


def seen(photo: Photo) -> Image.Image:
    """RGBA of a photo with holes, as a model that fills them wants it."""
    both = photo.image.copy()
    if photo.alpha is not None:
        both.putalpha(photo.alpha)
    return both


def chosen(name: str, directions: list[str], direction: str | None) -> str:
    """The direction to go in. Raises UsageError for one that a model does not have."""
    if direction and direction not in directions:
        raise UsageError(f"{name} does not go {direction[:20]!r}; it goes {' and '.join(directions)}.")
    return direction or directions[0]
