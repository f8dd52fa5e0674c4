"""The models that the demo offers: found by name, loaded when first used, one picture at a time."""

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from i2i.checkpoints.run import load_header, root
from i2i.demo.uploads import Desk
from i2i.errors import BundleError, UsageError

if TYPE_CHECKING:
    from i2i.inference.translator import Translator

_HERE = Path(__file__).resolve().parents[2] / "checkpoints"
SHIPPED = {name: _HERE / name for name in ("denoise", "superres2")}
DIRECTIONS = (["AtoB"], ["BtoA"], ["AtoB", "BtoA"])  # of what translates pictures; what paints from noise has others


@dataclass(frozen=True)
class Model:
    """A bundle that translates pictures."""

    name: str
    bundle: Path
    header: Mapping[str, Any]

    @property
    def directions(self) -> list[str]:
        return list(self.header["directions"])

    @property
    def run(self) -> Path:
        """The folder of its run."""
        return self.bundle.parent


class Models:
    """The models of the checkpoints' folder, and those that are shipped; a name that is none of theirs opens nothing.

    keep: translators that are held in memory; the one longest unused goes first.
    """

    def __init__(self, device: str = "auto", keep: int = 3, desk: Desk | None = None) -> None:
        self.device, self.keep, self.desk = device, keep, desk or Desk()
        self.turn = Turn()
        self._headers: dict[Path, tuple[tuple[int, int], Mapping[str, Any] | None]] = {}
        self._loaded: OrderedDict[tuple[Any, ...], Translator] = OrderedDict()

    def names(self) -> list[str]:
        """Runs that translate pictures, sorted, each followed by NAME/best where it is kept; the shipped ones last."""
        return list(self.found())

    def found(self) -> dict[str, Model]:
        """The models by name, as they are on disk now."""
        bundles = {}
        for path in sorted(root().glob("*/weights.safetensors")):
            bundles[path.parent.name] = path
            if (best := path.with_name("best.safetensors")).is_file():
                bundles[f"{path.parent.name}/best"] = best
        for name, folder in SHIPPED.items():
            bundles.setdefault(name, folder / "weights.safetensors")
        headers = {name: self._header(path) for name, path in bundles.items()}
        found = {name: Model(name, bundles[name], header) for name, header in headers.items() if header is not None}
        return {name: found[name] for name in sorted(found, key=lambda name: (name in SHIPPED, name))}

    def model(self, name: str) -> Model:
        """The model of a name. Raises UsageError naming those there are."""
        found = self.found() | self._snapshots(name)
        if name not in found:
            known = ", ".join(found) or "none yet"
            raise UsageError(f"There is no model {str(name)[:100]!r} here. There are: {known}.")
        return found[name]

    def _snapshots(self, name: str) -> dict[str, Model]:
        """The snapshots of the run of which one is named, by name: RUN/snapshots/STEP."""
        called, _, step = str(name).partition("/snapshots/")
        run = self.found().get(called) if step else None
        paths = run.run.glob("snapshots/*.safetensors") if run is not None else ()
        headers = {f"{called}/snapshots/{path.stem}": (path, self._header(path)) for path in paths}
        return {each: Model(each, path, header) for each, (path, header) in headers.items() if header is not None}

    def directions(self, name: str) -> list[str]:
        """Such as ["AtoB", "BtoA"]."""
        return self.model(name).directions

    def thumbnail(self, name: str) -> Path | None:
        """A small picture of what a model does, out of its run; None where it has left none."""
        from i2i.demo.examples import thumbnail

        return thumbnail(self.model(name), self.desk.assets)

    def examples(self, name: str, direction: str | None = None) -> list[Path]:
        """Pictures to try a model on, in its first direction or the given one."""
        from i2i.demo.examples import examples

        model = self.model(name)
        return examples(model, direction or model.directions[0], self.desk.assets)

    def strengths(self, name: str) -> tuple[float, float] | None:
        """The weakest and strongest damage that a model can be told of; None for one that wants none."""
        from i2i.inference.restoration import described_task, some_strength

        header = self.model(name).header
        return described_task(name, header).strengths() if some_strength(header) is not None else None

    def translate(self, name: str, direction: str, picture: Image.Image, strength: float | None = None) -> Image.Image:
        """The translation of a picture by a model of ``names``, when it is its turn.

        Raises UsageError for a name, direction or strength that there is not, and what ``Translator`` raises.
        """
        with self.turn():
            return self.translator(name, direction, strength)(picture)

    def translator(self, name: str, direction: str, strength: float | None = None) -> "Translator":
        """The translator of a model, loaded if it is not; to be asked for, and used, in one's ``turn``."""
        from i2i.inference.translator import load

        model = self.model(name)
        state = model.bundle.stat()
        key = (model.bundle, state.st_mtime_ns, state.st_size, direction, strength)
        if key not in self._loaded:
            while len(self._loaded) >= self.keep:
                self._loaded.popitem(last=False)
            self._loaded[key] = load(str(model.bundle.resolve()), direction, device=self.device, strength=strength)
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def _header(self, bundle: Path) -> Mapping[str, Any] | None:
        """A bundle's header, read anew when the file has changed; None where it translates no pictures."""
        try:
            state = bundle.stat()
            key = (state.st_mtime_ns, state.st_size)
            if bundle not in self._headers or self._headers[bundle][0] != key:
                header = load_header(bundle)
                usable = header.get("directions") in DIRECTIONS
                self._headers[bundle] = key, header if usable else None
        except (OSError, BundleError):
            return None
        return self._headers[bundle][1]


class Turn:
    """A lock that is given to those who wait for it in the order they came."""

    def __init__(self) -> None:
        self._guard, self._waiting = threading.Lock(), deque[threading.Event]()

    def ahead(self) -> int:
        """How many are before who asks for a turn now."""
        with self._guard:
            return len(self._waiting)

    @contextmanager
    def __call__(self, seconds: float | None = None) -> Iterator[None]:
        """Raises UsageError where it takes more than ``seconds`` to come."""
        mine = threading.Event()
        with self._guard:
            self._waiting.append(mine)
            if self._waiting[0] is mine:
                mine.set()
        began = time.monotonic()
        try:
            if not mine.wait(seconds):
                waited = time.monotonic() - began
                raise UsageError(f"The model was busy with others for {waited:.0f} seconds. Please try again later.")
            yield
        finally:
            with self._guard:
                self._waiting.remove(mine)
                if self._waiting:
                    self._waiting[0].set()
