"""The training history of a run: sample grids by step, checkpoints and progress."""

import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median_high

from markupsafe import Markup

from i2i.checkpoints.log import read_log
from i2i.checkpoints.model_file import load_model_info
from i2i.checkpoints.model_info import BestMetric, ModelInfo
from i2i.demo.rendering import png_data_url, render
from i2i.errors import I2IError, ImageError
from i2i.images import open_regular
from i2i.reports.training_history import alarms_html, loss_charts, read_history

IDLE_AFTER = 180.0  # seconds without a new file or log row after which a training counts as stopped
MAX_CHECKPOINTS_TO_TRY = 12  # on one photo
_STEP = re.compile(r"\d{1,12}")


@dataclass(frozen=True)
class SampleFrame:
    """A sample grid and the number of training steps before it."""

    step: int
    path: Path


def sample_frames(run_folder: Path) -> list[SampleFrame]:
    """Return the sample grids of a run, sorted by step."""
    return _sorted_by_step((run_folder / "samples").glob("*.png"))


def _sorted_by_step(paths: Iterable[Path]) -> list[SampleFrame]:
    """Return the files whose name is a step number, sorted by it."""
    named_by_step = (path for path in paths if _STEP.fullmatch(path.stem) and path.stem.isascii())
    return sorted((SampleFrame(int(path.stem), path) for path in named_by_step), key=lambda frame: frame.step)


def nearest_frame(frames: Sequence[SampleFrame], step: float) -> SampleFrame:
    """Return the frame nearest to a step; of two equally near ones the later."""
    return min(reversed(frames), key=lambda frame: abs(frame.step - step))


def slider_range(frames: Sequence[SampleFrame]) -> tuple[int, int]:
    """Return the maximum and the increment of a slider over the frames.

    The increment is the median distance between frames. The maximum is a multiple of it.
    """
    positions = [0 if frame.step == 1 else frame.step for frame in frames]  # the first frame is drawn after one step
    gap = max(1, median_high([after - before for before, after in pairwise(positions)] or [1]))
    return max(1, -(-frames[-1].step // gap)) * gap, gap


def neighbour_step(frames: Sequence[SampleFrame], step: float, offset: int) -> int:
    """Return the step of the frame ``offset`` frames after the one nearest to ``step``, clamped to the ends."""
    index = frames.index(nearest_frame(frames, step)) + offset
    return frames[min(max(index, 0), len(frames) - 1)].step


def frame_html(frame: SampleFrame, run_name: str) -> str:
    """Return a sample grid as HTML.

    Raises:
        ImageError: the file is missing or damaged.
    """
    with open_regular(frame.path) as file:
        png = file.read()
    if not png.startswith(b"\x89PNG\r\n"):
        raise ImageError(f"The samples of step {frame.step} are damaged.")
    return render("sample_frame", image=png_data_url(png), steps=format_steps(frame.step), run_name=run_name)


def format_steps(count: int) -> str:
    """Return a number of steps such as "1 step" or "12,000 steps"."""
    return "1 step" if count == 1 else f"{count:,} steps"


@dataclass(frozen=True)
class TrainingState:
    """The progress of a training.

    Attributes:
        step: the last known step.
        total: the planned number of steps, if known.
        running: whether the training still runs.
    """

    step: int
    total: int | None
    running: bool

    def text(self) -> str:
        """Return a sentence for the page."""
        progress = f"{self.step:,} of {self.total:,}" if self.total else f"{self.step:,}"
        if self.running:
            return f"Training: step {progress}. This page updates automatically."
        if self.total and self.step >= self.total:
            return f"Finished: {format_steps(self.step)}."
        return f"Stopped at step {progress}. `--resume` continues the training."


def training_state(run_folder: Path, info: ModelInfo, now: float | None = None) -> TrainingState:
    """Return the progress of a run.

    Args:
        run_folder: the folder of the run.
        info: the metadata of its last model file.
        now: seconds since 1970; None is the current time.
    """
    frames = sample_frames(run_folder)
    total = info.total_steps
    logged_steps = [row["step"] for row in read_log(run_folder) if isinstance(row.get("step"), int)]
    step = max([info.steps or 0, *logged_steps, *(frame.step for frame in frames)])

    files = [run_folder / "log.jsonl", run_folder / "weights.safetensors", *(frame.path for frame in frames[-1:])]
    last_write = max((path.stat().st_mtime for path in files if path.is_file()), default=None)
    idle = last_write is None or (time.time() if now is None else now) - last_write > IDLE_AFTER
    finished = total is not None and step >= total
    return TrainingState(step, total, running=bool(logged_steps) and not idle and not finished)


def charts_html(run_folder: Path, best: BestMetric | None, marked_step: float | None = None) -> str:
    """Return the alarms, losses and validation metrics of a run as HTML.

    Args:
        run_folder: the folder of the run.
        best: the result of the best model file, if there is one; its step is highlighted.
        marked_step: a step to mark on the curves.
    """
    history = read_history(run_folder)
    charts = loss_charts(history, best, marked_step)
    return render("training_charts", alarms=Markup(alarms_html(history)), charts=Markup(charts))


@dataclass(frozen=True)
class Checkpoint:
    """A model file of a run.

    Attributes:
        name: the name under which every command accepts it.
        step: training steps.
        label: such as "the last"; "" for a snapshot.
    """

    name: str
    step: int
    label: str

    def title(self) -> str:
        """Return a title such as "300 steps, the last"."""
        steps = format_steps(self.step)
        return f"{steps}, {self.label}" if self.label else steps


def checkpoints(name: str, run_folder: Path) -> list[Checkpoint]:
    """Return the readable checkpoints of a run, sorted by step: snapshots, the best and the last.

    Args:
        name: the name of the run.
        run_folder: its folder.
    """
    snapshots = [path for path in (run_folder / "snapshots").glob("*.safetensors") if path.is_file()]
    paths = {f"{name}/snapshots/{frame.path.stem}": frame.path for frame in _sorted_by_step(snapshots)}
    paths[f"{name}/best"] = run_folder / "best.safetensors"
    paths[name] = run_folder / "weights.safetensors"
    checkpoints = []
    for checkpoint_name, path in paths.items():
        try:
            info = load_model_info(path)
        except I2IError:
            continue
        checkpoints.append(Checkpoint(checkpoint_name, info.steps or 0, _label(checkpoint_name, name, info)))
    return sorted(checkpoints, key=lambda checkpoint: checkpoint.step)


def _label(checkpoint_name: str, run_name: str, info: ModelInfo) -> str:
    """Return "the last", "the best by METRIC VALUE" or ""."""
    if checkpoint_name == run_name:
        return "the last"
    if info.best is not None:
        return f"the best by {info.best.metric.upper()} {info.best.value:.4g}"
    return "the best" if checkpoint_name == f"{run_name}/best" else ""


def select_evenly(checkpoints: Sequence[Checkpoint], max_count: int = MAX_CHECKPOINTS_TO_TRY) -> list[Checkpoint]:
    """Return at most ``max_count`` checkpoints: the last, the best and evenly spaced snapshots."""
    labelled = [checkpoint for checkpoint in checkpoints if checkpoint.label]
    snapshots = [checkpoint for checkpoint in checkpoints if not checkpoint.label]
    room = max(0, max_count - len(labelled))
    if len(snapshots) > room:
        snapshots = [snapshots[index * len(snapshots) // room] for index in range(room)]
    return [checkpoint for checkpoint in checkpoints if checkpoint in labelled or checkpoint in snapshots]


def checkpoint_summary(checkpoints: Sequence[Checkpoint]) -> str:
    """Return a sentence or two about the checkpoints that a run kept."""
    if any(not checkpoint.label for checkpoint in checkpoints):
        tried = len(select_evenly(checkpoints))
        selection = f" {tried} of them, evenly spaced, are tried." if tried < len(checkpoints) else ""
        return f"This run kept {len(checkpoints)} checkpoints.{selection}"
    kept = "only its last and its best weights" if len(checkpoints) > 1 else "only its last weights"
    return (
        f"This run kept {kept}. The samples above show earlier stages. Train with `--snapshot-every 1000` to keep "
        "checkpoints to choose from."
    )
