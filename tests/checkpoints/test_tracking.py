"""Experiment trackers get settings, numbers and sample grids, and never stop a training."""

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from i2i.checkpoints.log import MetricsLog
from i2i.checkpoints.tracking import Tracker, TrackerName, require_tracker
from i2i.errors import UsageError

CONFIG = {"method": "cut", "training": {"lr": 0.1, "betas": [0.5, 0.9]}}
REAL = pytest.mark.skipif(not os.environ.get("I2I_TEST_TRACKERS"), reason="imports packages that take many seconds")
GRID = np.zeros((8, 16, 3), np.uint8)


def track(name: TrackerName, folder: Path, step: int = 1) -> None:
    """Log a row and a grid at a step, as a training does that starts or resumes."""
    folder.mkdir(exist_ok=True)
    tracker = Tracker(name, folder, CONFIG)
    log = MetricsLog(folder, step - 1, tracker)
    log.log(step, {"epoch": 0.5, "time": 1.0, "G/l1": 0.1 * step, "D/x": float("nan"), "note": "text"})
    log.log_image(step, GRID)
    log.close()
    tracker.close()


class StubRun:
    """A run of the stand-ins for wandb and trackio."""

    def __init__(self, calls: list[Any]) -> None:
        self.calls = calls

    def define_metric(self, *args: Any, **kwargs: Any) -> None:
        pass

    def log(self, values: dict[str, Any], step: int | None = None) -> None:
        self.calls.append(("log", step, values))

    def finish(self, **kwargs: Any) -> None:
        self.calls.append(("finish",))


@pytest.fixture(params=["wandb", "trackio"])
def stub(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[TrackerName, list[Any]]:
    """A stand-in for a tracker's package, and the calls that it gets."""
    calls: list[Any] = []

    def init(**arguments: Any) -> StubRun:
        calls.append(("init", arguments))
        return StubRun(calls)

    module: Any = ModuleType(request.param)
    module.init = init
    module.Image = lambda image, **arguments: image.size
    module.Settings = SimpleNamespace
    monkeypatch.setitem(sys.modules, request.param, module)
    return request.param, calls


def test_a_tracker_gets_settings_numbers_and_grids(stub: tuple[TrackerName, list[Any]], tmp_path: Path) -> None:
    name, calls = stub
    track(name, tmp_path / "run")
    (_, arguments), (_, step, values), (_, _, image), (last,) = calls
    assert arguments["config"] == CONFIG
    assert {tag: value for tag, value in values.items() if tag != "step"} == {"schedule/epoch": 0.5, "losses/G/l1": 0.1}
    assert step == 1 or values["step"] == 1
    assert image["samples/grid"] == (16, 8)
    assert last == "finish"


def test_a_resumed_training_continues_its_tracked_run(stub: tuple[TrackerName, list[Any]], tmp_path: Path) -> None:
    name, calls = stub
    track(name, tmp_path / "run")
    track(name, tmp_path / "run", step=2)
    track(name, tmp_path / "other")
    first, second, other = (call[1] for call in calls if call[0] == "init")
    key = "id" if name == "wandb" else "name"
    assert first[key] == second[key] != other[key]
    assert first["resume"] == "allow"


def test_a_failing_tracker_is_reported_once_and_the_log_goes_on(
    stub: tuple[TrackerName, list[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    name, _ = stub

    def fail(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError("no route to host\nand a long trace")

    monkeypatch.setattr(StubRun, "log", fail)
    monkeypatch.setattr(StubRun, "finish", fail)
    track(name, tmp_path / "run")
    monkeypatch.setattr(sys.modules[name], "init", fail)
    track(name, tmp_path / "run", step=2)
    warnings = [record.message for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 2  # one in each training
    assert all("no route to host. The training goes on." in warning for warning in warnings)
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 2


def test_a_tracker_that_hangs_does_not_hold_the_training(
    stub: tuple[TrackerName, list[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    release = threading.Event()
    monkeypatch.setattr(StubRun, "log", lambda *args, **kwargs: release.wait(20))
    monkeypatch.setattr("i2i.checkpoints.tracking._CLOSE_SECONDS", 0.05)
    monkeypatch.setattr("i2i.checkpoints.tracking._QUEUED", 2)
    tracker = Tracker(stub[0], tmp_path, CONFIG)
    for step in range(10):
        tracker.log_scalars(step, {"lr": 1.0})
    tracker.close()
    release.set()
    assert "it is too slow" in caplog.text


def test_a_damaged_record_starts_a_new_tracked_run(
    stub: tuple[TrackerName, list[Any]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "tracking.json").write_text("[1]")
    track(stub[0], tmp_path)
    assert "tracking.json is damaged" in caplog.text
    assert json.loads((tmp_path / "tracking.json").read_text())[stub[0]]


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r'--track wandb needs the package wandb: `uv pip install -e "\.\[wandb\]"`'):
        require_tracker("wandb")
    require_tracker("off")


def test_mlflow_gets_settings_numbers_and_grids_of_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    class Client:
        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kwargs: calls.append((name, args, kwargs)) or answers.get(name)

    module, entities = ModuleType("mlflow"), ModuleType("mlflow.entities")
    created = SimpleNamespace(info=SimpleNamespace(run_id="r1"))
    answers = {"create_run": created, "create_experiment": "7"}
    monkeypatch.setattr(module, "MlflowClient", Client, raising=False)
    for name in ("Metric", "Param"):
        monkeypatch.setattr(entities, name, lambda *args: args, raising=False)
    monkeypatch.setitem(sys.modules, "mlflow", module)
    monkeypatch.setitem(sys.modules, "mlflow.entities", entities)
    track("mlflow", tmp_path / "run")
    track("mlflow", tmp_path / "run", step=2)
    names = [name for name, *_ in calls]
    logs, ends = ["log_batch", "log_image"], ["set_terminated"]
    starts = ["get_experiment_by_name", "create_experiment", "create_run", "log_batch"]
    assert names == [*starts, *logs, *ends, "update_run", *logs, *ends]
    assert ("training.lr", "0.1") in calls[3][2]["params"]
    assert [(tag, value, step) for tag, value, _, step in calls[4][2]["metrics"]][1] == ("losses/G/l1", 0.1, 1)
    assert all(args[0] == "r1" for name, args, _ in calls if name in (*logs, *ends, "update_run"))
    assert calls[5][2] == {"artifact_file": "samples/0000001.jpg"}


@REAL
def test_mlflow_keeps_the_run_in_its_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("sqlalchemy")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/mlflow.db")
    track("mlflow", tmp_path / "run")
    track("mlflow", tmp_path / "run", step=2)
    client = mlflow.MlflowClient()
    (run,) = client.search_runs([client.get_experiment_by_name("i2i").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "run"
    assert run.data.params["training.lr"] == "0.1"
    history = client.get_metric_history(run.info.run_id, "losses/G/l1")
    assert [(point.step, point.value) for point in history] == [(1, 0.1), (2, 0.2)]
    assert [file.path for file in client.list_artifacts(run.info.run_id, "samples")] == [
        "samples/0000001.jpg", "samples/0000002.jpg",
    ]  # fmt: skip


def track_twice(name: str, tmp_path: Path, more: str = "", **environment: str) -> str:
    """Track a training and its resume in a process of its own, in which the package reads its environment."""
    pytest.importorskip(name)
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from tests.checkpoints.test_tracking import track\n"
        f"track({name!r}, Path('run'))\n"
        f"track({name!r}, Path('run'), step=2)\n{more}"
    )
    root = str(Path(__file__).parents[2])
    result = subprocess.run(
        [sys.executable, script], env={**os.environ, "PYTHONPATH": root, "HF_HUB_OFFLINE": "1", **environment},
        cwd=tmp_path, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return result.stdout


@REAL
def test_wandb_writes_its_files_into_the_run(tmp_path: Path) -> None:
    track_twice("wandb", tmp_path, WANDB_MODE="offline")
    identity = json.loads((tmp_path / "run" / "tracking.json").read_text())["wandb"]["id"]
    files = list((tmp_path / "run" / "wandb").glob(f"offline-run-*/run-{identity}.wandb"))
    assert len(files) == 2  # of one run: `wandb sync` joins them
    assert all(b"losses/G/l1" in file.read_bytes() and b"samples/grid" in file.read_bytes() for file in files)


@REAL
def test_trackio_keeps_the_run_in_its_database(tmp_path: Path) -> None:
    more = (
        "import json, trackio\n"
        "from trackio.sqlite_storage import SQLiteStorage\n"
        "(run,) = trackio.Api().runs('i2i')\n"
        "print('LOGS', json.dumps(SQLiteStorage.get_logs('i2i', run.name), default=str))\n"
    )
    output = track_twice("trackio", tmp_path, more, TRACKIO_DIR=str(tmp_path / "db"))
    rows = json.loads(output.partition("LOGS ")[2].splitlines()[0])
    assert [(row["step"], row["losses/G/l1"]) for row in rows if "losses/G/l1" in row] == [(1, 0.1), (2, 0.2)]
    assert [row["step"] for row in rows if "samples/grid" in row] == [1, 2]
