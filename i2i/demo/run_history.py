"""What a run has to show of its training: sample grids by step, checkpoints, and how far it is."""

import base64
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from pathlib import Path
from statistics import median_high
from typing import Any

from i2i.checkpoints.log import read_log
from i2i.checkpoints.run import load_header
from i2i.errors import I2IError, PictureError
from i2i.images import open_regular
from i2i.reports.training_history import alarms, course, plots

QUIET = 180.0  # seconds without a word after which a training is taken to have stopped
MOST = 12  # checkpoints that are tried on one photo
_STEP = re.compile(r"\d{1,12}")


@dataclass(frozen=True)
class Frame:
    """A sample grid, and the step after which it was made."""

    step: int
    path: Path


def frames(run: Path) -> list[Frame]:
    """The sample grids of a run, in order."""
    return _by_step((run / "samples").glob("*.png"))


def _by_step(paths: Any) -> list[Frame]:
    found = (Frame(int(path.stem), path) for path in paths if _STEP.fullmatch(path.stem) and path.stem.isascii())
    return sorted(found, key=lambda frame: frame.step)


def nearest(found: Sequence[Frame], step: float) -> Frame:
    """The frame closest to a step; of two the later."""
    return min(reversed(found), key=lambda frame: abs(frame.step - step))


def ruler(found: Sequence[Frame]) -> tuple[int, int]:
    """The end of a slider over the frames, and its step: the usual distance from one to the next."""
    places = [0 if frame.step == 1 else frame.step for frame in found]  # the first are drawn after one step
    gap = max(1, median_high([after - before for before, after in pairwise(places)] or [1]))
    return max(1, -(-found[-1].step // gap)) * gap, gap


def neighbour(found: Sequence[Frame], step: float, by: int) -> int:
    """The step of the frame ``by`` places after the one nearest to a step, as far as there is one."""
    place = found.index(nearest(found, step)) + by
    return found[min(max(place, 0), len(found) - 1)].step


def picture(frame: Frame, name: str) -> str:
    """A sample grid as HTML. Raises PictureError where the file is gone."""
    with open_regular(frame.path) as file:
        data = file.read()
    if not data.startswith(b"\x89PNG\r\n"):
        raise PictureError(f"The samples of step {frame.step} are damaged.")
    told = f"Samples of {name} after {steps(frame.step)}: inputs and what the translator makes of them"
    return (
        f'<figure class="frame"><div class="wide"><img alt="{escape(told)}" src="data:image/png;base64,'
        f'{base64.b64encode(data).decode()}"></div><figcaption>After {steps(frame.step)}</figcaption></figure>'
    )


def steps(count: int) -> str:
    """Such as "1 step", "12,000 steps"."""
    return "1 step" if count == 1 else f"{count:,} steps"


@dataclass(frozen=True)
class State:
    """How far a training is."""

    step: int
    total: int | None
    heard: float | None  # when it last wrote something, in seconds since 1970
    running: bool

    def text(self) -> str:
        length = f"{self.step:,} of {self.total:,}" if self.total else f"{self.step:,}"
        if self.running:
            return f"Training: step {length}. This page follows by itself."
        if self.total and self.step >= self.total:
            return f"Trained to its end, {steps(self.step)}."
        return f"Stopped at step {length}. `--resume` goes on from there."


def state(run: Path, header: Mapping[str, Any], now: float | None = None) -> State:
    """How far a run is. header: of its bundle."""
    rows = read_log(run)
    saved, total = header.get("steps"), header.get("total_steps")
    known = [row["step"] for row in rows if isinstance(row.get("step"), int)]
    step = max([*known, *(frame.step for frame in frames(run)), saved if isinstance(saved, int) else 0])
    total = total if isinstance(total, int) else None
    files = [run / "log.jsonl", run / "weights.safetensors", *(frame.path for frame in frames(run)[-1:])]
    heard = max((path.stat().st_mtime for path in files if path.is_file()), default=None)
    quiet = heard is None or (time.time() if now is None else now) - heard > QUIET
    return State(step, total, heard, not quiet and bool(known) and (total is None or step < total))


def charts(run: Path, best: Any, at: float | None = None) -> str:
    """The run's alarms, losses and evaluations as HTML. best, at: as of ``plots``."""
    found = course(run)
    drawn = plots(found, best, at)
    if not drawn:
        return '<p class="calm">There is no log of this training here, so there are no curves.</p>'
    return f"{alarms(found)}{drawn}"


@dataclass(frozen=True)
class Checkpoint:
    """Weights of a run to choose from: the name that stands for them wherever a model is named."""

    name: str
    step: int
    says: str  # such as "the last"; "" of a snapshot

    def title(self) -> str:
        """Such as "300 steps, the last"."""
        return ", ".join(filter(None, (steps(self.step), self.says)))


def checkpoints(name: str, run: Path) -> list[Checkpoint]:
    """The checkpoints of a run by step: snapshots, the best, the last. Those that cannot be read are left out."""
    places = [(f"{name}/snapshots/{frame.path.stem}", frame.path) for frame in _by_step(_snapshots(run))]
    places += [(f"{name}/best", run / "best.safetensors"), (name, run / "weights.safetensors")]
    found = []
    for called, path in places:
        try:
            header = load_header(path)
        except I2IError:
            continue
        step = header.get("steps")
        found.append(Checkpoint(called, step if isinstance(step, int) else 0, _says(called, name, header)))
    return sorted(found, key=lambda checkpoint: checkpoint.step)


def _snapshots(run: Path) -> list[Path]:
    return [path for path in (run / "snapshots").glob("*.safetensors") if path.is_file()]


def _says(called: str, name: str, header: Mapping[str, Any]) -> str:
    if called == name:
        return "the last"
    best = header.get("best")
    if isinstance(best, Mapping):
        value = best.get("value")
        told = f" {value:.4g}" if isinstance(value, int | float) else ""
        return f"the best by {str(best.get('metric', '')).upper()}{told}"
    return "the best" if called == f"{name}/best" else ""


def some(found: Sequence[Checkpoint], most: int = MOST) -> list[Checkpoint]:
    """At most so many, spread evenly over them; the last and the best always."""
    told = [checkpoint for checkpoint in found if checkpoint.says]
    plain = [checkpoint for checkpoint in found if not checkpoint.says]
    room = max(0, most - len(told))
    kept = plain if len(plain) <= room else [plain[index * len(plain) // room] for index in range(room)]
    return [checkpoint for checkpoint in found if checkpoint in told or checkpoint in kept]


def choice(found: Sequence[Checkpoint]) -> str:
    """What there is to choose from, in a sentence or two."""
    snapshots = sum(not checkpoint.says for checkpoint in found)
    if snapshots:
        shown = len(some(found))
        fewer = f" {shown} of them, spread evenly, are tried." if shown < len(found) else ""
        return f"This run kept {len(found)} checkpoints.{fewer}"
    kept = "only its last and its best weights" if len(found) > 1 else "only its last weights"
    return (
        f"This run kept {kept}: the samples above show the way there, and a training with `--snapshot-every 1000` "
        "keeps copies from on the way to choose from."
    )
