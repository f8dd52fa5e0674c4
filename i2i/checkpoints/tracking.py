"""Experiment trackers beside TensorBoard: trackio, Weights & Biases and MLflow, behind one interface."""

import contextlib
import importlib.util
import json
import logging
import math
import os
import queue
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from i2i.checkpoints.run import write_or_explain
from i2i.checkpoints.tensorboard import IMAGE_MAX_SIDE, IMAGE_SPACING, NOT_SHOWN, scalar_tag
from i2i.errors import UsageError, install_command

logger = logging.getLogger(__name__)

TrackerName = Literal["off", "trackio", "wandb", "mlflow"]
TITLES = {"trackio": "trackio", "wandb": "Weights & Biases", "mlflow": "MLflow"}
FILE_NAME = "tracking.json"  # in the run's folder: which tracked run a resumed training continues
_PROJECT = "i2i"
_QUEUED = 1000  # rows and images that wait for a slow tracker; further ones are left out
_CLOSE_SECONDS = 60.0


class TrackedRun(Protocol):
    """A run of a tracker."""

    def log_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Send numbers of a step."""

    def log_image(self, step: int, image: Any) -> None:
        """Send a sample grid, a PIL image."""

    def close(self) -> None:
        """Send what was not sent yet, and end the run."""


def require_tracker(name: TrackerName) -> None:
    """Raise UsageError if the package of a tracker is not installed."""
    if name != "off" and sys.modules.get(name) is None and importlib.util.find_spec(name) is None:
        raise UsageError(f"--track {name} needs the package {name}: {install_command(name)}.")


class _Trackio:
    """A run of trackio: in a local database, or where TRACKIO_SPACE_ID or TRACKIO_SERVER_URL says."""

    def __init__(self, title: str, identity: dict[str, str], config: Mapping[str, Any]) -> None:
        import trackio

        self._trackio = trackio
        project = identity.setdefault("project", os.environ.get("TRACKIO_PROJECT") or _PROJECT)
        name = identity.setdefault("name", f"{title}-{uuid.uuid4().hex[:6]}")
        self._run = trackio.init(project=project, name=name, config=dict(config), resume="allow", embed=False)

    def log_scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log(dict(values), step=step)

    def log_image(self, step: int, image: Any) -> None:
        self._run.log({"samples/grid": self._trackio.Image(image)}, step=step)

    def close(self) -> None:
        self._run.finish()


class _Wandb:
    """A run of Weights & Biases: online with a login, or in the run's folder with WANDB_MODE=offline.

    Args:
        folder: of the run.
        identity: of the tracked run.
        config: settings of the training.
    """

    def __init__(self, folder: Path, identity: dict[str, str], config: Mapping[str, Any]) -> None:
        import wandb

        self._wandb = wandb
        self._run = wandb.init(
            project=identity.setdefault("project", os.environ.get("WANDB_PROJECT") or _PROJECT),
            id=identity.setdefault("id", uuid.uuid4().hex[:12]),
            name=folder.resolve().name,
            dir=str(folder),
            config=dict(config),
            resume="allow",
            settings=wandb.Settings(console="off", quiet=True),
        )
        self._run.define_metric("step", hidden=True)
        self._run.define_metric("*", step_metric="step")  # its own counter cannot go back, as a resume may

    def log_scalars(self, step: int, values: Mapping[str, float]) -> None:
        self._run.log({"step": step, **values})

    def log_image(self, step: int, image: Any) -> None:
        self._run.log({"step": step, "samples/grid": self._wandb.Image(image, file_type="jpg")})

    def close(self) -> None:
        self._run.finish()


class _Mlflow:
    """A run of MLflow, in the store that MLFLOW_TRACKING_URI names, else in MLflow's default one."""

    def __init__(self, title: str, identity: dict[str, str], config: Mapping[str, Any]) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        self._metric = Metric
        self._client = MlflowClient()
        run_id = identity.get("run_id")
        if run_id is not None:
            self._client.update_run(run_id, status="RUNNING")
            self._run_id = run_id
            return
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or _PROJECT
        experiment = self._client.get_experiment_by_name(name)
        experiment_id = self._client.create_experiment(name) if experiment is None else experiment.experiment_id
        self._run_id = identity["run_id"] = self._client.create_run(experiment_id, run_name=title).info.run_id
        params = [Param(name, str(value)[:500]) for name, value in _flat(config).items()]
        for start in range(0, len(params), 100):  # that MLflow takes in one call
            self._client.log_batch(self._run_id, params=params[start : start + 100])

    def log_scalars(self, step: int, values: Mapping[str, float]) -> None:
        import time

        now = int(1000 * time.time())
        self._client.log_batch(self._run_id, metrics=[self._metric(name, x, now, step) for name, x in values.items()])

    def log_image(self, step: int, image: Any) -> None:
        self._client.log_image(self._run_id, image, artifact_file=f"samples/{step:07}.jpg")

    def close(self) -> None:
        self._client.set_terminated(self._run_id)


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one, with names such as "training.lr"."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _open(name: TrackerName, folder: Path, config: Mapping[str, Any]) -> TrackedRun:
    """Start a tracked run, or continue the one that the run's folder names."""
    path = folder / FILE_NAME
    try:
        identities = json.loads(path.read_bytes())
        identity = dict(identities.get(name, {}))
    except FileNotFoundError:
        identities, identity = {}, {}
    except (ValueError, AttributeError, TypeError):
        logger.warning("%s is damaged: a new run of %s is started.", path, TITLES[name])
        identities, identity = {}, {}
    title = folder.resolve().name
    run: TrackedRun
    if name == "wandb":
        run = _Wandb(folder, identity, config)
    else:
        run = _Trackio(title, identity, config) if name == "trackio" else _Mlflow(title, identity, config)
    if identities.get(name) != identity:
        write_or_explain(path, json.dumps({**identities, name: identity}, indent=2).encode())
    return run


class Tracker:
    """Sends the rows of a log and the sample grids to a tracker, from a thread of its own.

    The training never waits for the tracker, and goes on if it fails: a warning is logged once.

    Args:
        name: of the tracker; "off" for none.
        folder: of the run. ``tracking.json`` in it says which tracked run is continued.
        config: settings of the training.
    """

    def __init__(self, name: TrackerName, folder: Path, config: Mapping[str, Any]) -> None:
        self._name = name
        self._warned = False
        self._next_image_step = 0.0
        self._tasks: queue.Queue[Callable[[], None] | None] = queue.Queue(_QUEUED)
        self._run: TrackedRun | None = None
        self._thread: threading.Thread | None = None
        if name == "off":
            return
        try:
            with contextlib.redirect_stdout(sys.stderr):  # for what the packages print
                self._run = _open(name, folder, config)
        except Exception as error:
            self._warn(error)
            return
        self._thread = threading.Thread(target=self._work, name="i2i-tracker", daemon=True)
        self._thread.start()

    def log_scalars(self, step: int, values: Mapping[str, Any]) -> None:
        """Send the finite floats of a row of the log, under the tags of TensorBoard."""
        if (run := self._run) is None:
            return
        scalars = {
            scalar_tag(name): value
            for name, value in values.items()
            if isinstance(value, float) and math.isfinite(value) and name not in NOT_SHOWN
        }
        if scalars:
            self._put(lambda: run.log_scalars(step, scalars))

    def log_image(self, step: int, pixels: Any) -> None:
        """Send a sample grid, reduced and as rarely as to TensorBoard. ``pixels``: uint8 (H, W, 3)."""
        if (run := self._run) is None or step < self._next_image_step:
            return
        self._next_image_step = round(step * IMAGE_SPACING, 6)
        from PIL import Image

        image = Image.fromarray(pixels)
        image.thumbnail((IMAGE_MAX_SIDE, IMAGE_MAX_SIDE), Image.Resampling.BICUBIC)
        self._put(lambda: run.log_image(step, image))

    def close(self) -> None:
        """Send what waits, and end the tracked run. Returns after a minute at the latest."""
        if (run := self._run) is None or self._thread is None:
            return
        self._run = None
        self._put(run.close)
        with contextlib.suppress(queue.Full):
            self._tasks.put(None, timeout=1)
        with contextlib.redirect_stdout(sys.stderr):
            self._thread.join(_CLOSE_SECONDS)
        if self._thread.is_alive():
            self._warn(TimeoutError("it does not answer"))

    def _put(self, task: Callable[[], None]) -> None:
        try:
            self._tasks.put_nowait(task)
        except queue.Full:
            self._warn(TimeoutError("it is too slow"))

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task()
            except Exception as error:
                self._warn(error)

    def _warn(self, error: Exception) -> None:
        if not self._warned:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            logger.warning(
                "%s does not get all of this training: %s. The training goes on.", TITLES[self._name], lines[0][:200]
            )
        self._warned = True
