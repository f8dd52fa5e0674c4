"""The trainings of ``cuda_session``: processes that run at the same time and are stored whenever they save."""

import argparse
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.benchmarks.cuda_results import pack_details, store_model, store_snapshots
from tests.benchmarks.cuda_stages import Recorder, kill_group, parse_object

MARGIN = 25  # seconds: start of the process, last samples, last save
STOP_SECONDS = 12  # from SIGTERM, after which a training saves, to SIGKILL
_details_lock = threading.Lock()


class TrainingSpec(NamedTuple):
    """What to train: ``NAME=METHOD FLAGS``, where METHOD and FLAGS are the arguments of `i2i train`."""

    name: str
    words: list[str]


def parse_spec(text: str) -> TrainingSpec:
    """Parse ``NAME=METHOD FLAGS``. Raises ArgumentTypeError."""
    name, _, rest = text.partition("=")
    words = shlex.split(rest)
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name) or not words or words[0].startswith("-"):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not NAME=METHOD FLAGS, such as 'zebra=cut --recipe fast --data horse2zebra'. "
            "NAME has letters, digits, - and _ only."
        )
    return TrainingSpec(name, words)


class Training:
    """One training: its process, its log ``work/logs/NAME.log`` and its run ``work/runs/NAME``.

    Whenever the run saves its model file, and when the process ends, the model file and ``details.tar`` are stored.

    Args:
        spec: what to train.
        out: the folder of results.
        work: the folder of logs and runs, the same for all trainings.
        recorder: of the session.
    """

    def __init__(self, spec: TrainingSpec, out: Path, work: Path, recorder: Recorder) -> None:
        self.spec, self.out, self.work, self.recorder = spec, out, work, recorder
        self.run = work / "runs" / spec.name
        self.process: subprocess.Popen[bytes] | None = None
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def command(self, seconds: float, device: str, rehearse: bool) -> list[str]:
        """Return the arguments of Python for a training that ends by itself within ``seconds``.

        The flags of the spec come last and thus override the others. With ``--steps`` or ``--epochs`` among them the
        training has that length, and is stopped if it takes longer.
        """
        hours = max(1.0, seconds - MARGIN) / 3600
        method, *flags = self.spec.words
        has_length = any(flag.partition("=")[0] in ("--steps", "--epochs") for flag in flags)
        limit = [] if has_length else ["--max-hours", f"{hours:.6f}"]
        return [
            "-m", "i2i", "train", method, "--name", self.spec.name, *limit, "--device", device,
            "--save-every-minutes", "0.2" if rehearse else "2", "--sample-every", "50" if rehearse else "2000", *flags,
        ]  # fmt: skip

    def start(self, seconds: float, device: str, rehearse: bool, environment: Mapping[str, str]) -> None:
        """Start the process."""
        command = self.command(seconds, device, rehearse)
        self.recorder.text(f"== training {self.spec.name}, at most {seconds:.0f} s: {shlex.join(command)}")
        log = self.work / "logs" / f"{self.spec.name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        self._start_time = time.monotonic()
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                [sys.executable, *command], stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                start_new_session=True, env=dict(environment),
            )  # fmt: skip
        self._watcher.start()

    def _watch(self) -> None:
        assert self.process is not None
        saved_at = 0
        while self.process.poll() is None:
            time.sleep(0.5)
            saved_at = self._store_if_newer(saved_at)
        self._store_if_newer(0)  # in any case: an earlier attempt may have failed, and the log is longer now
        values: dict[str, Any] = {"name": self.spec.name, "exit": self.process.returncode}
        values["seconds"] = round(time.monotonic() - self._start_time, 1)
        self.recorder.result("training", {**values, **self._last_losses()})

    def _store_if_newer(self, saved_at: int) -> int:
        """Store the model file if it was saved after ``saved_at``, and return the time of its last save, in ns."""
        weights = self.run / "weights.safetensors"
        time_of_save = saved_at
        try:
            time_of_save = weights.stat().st_mtime_ns if weights.is_file() else 0
            if time_of_save > saved_at:
                stored = store_model(self.spec.name, weights, self.out, self.work / "half")
                self.recorder.result("stored", {"name": self.spec.name, **stored})
                store_details(self.work, self.out)
        except Exception as error:  # the next save may be stored
            self.recorder.result("stored", {"name": self.spec.name, "error": f"{type(error).__name__}: {error}"[:500]})
        return time_of_save

    def store_snapshots(self, count: int) -> None:
        """Store up to ``count`` snapshots of the run, if it has any."""
        try:
            files = store_snapshots(self.spec.name, self.run, self.out, self.work / "half", count)
        except Exception as error:  # the results so far matter more
            self.recorder.result(
                "snapshots", {"name": self.spec.name, "error": f"{type(error).__name__}: {error}"[:500]}
            )
            return
        if files:
            self.recorder.result("snapshots", {"name": self.spec.name, "files": files})

    def _last_losses(self) -> dict[str, Any]:
        log = self.run / "log.jsonl"
        rows = [parse_object(line) or {} for line in log.read_text().splitlines()] if log.is_file() else []
        losses = [row for row in rows if "epoch" in row]  # other rows hold health metrics
        return {"last": losses[-1]} if losses else {"error": f"no step was logged; see logs/{self.spec.name}.log"}

    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def ask_to_stop(self) -> None:
        """Send SIGTERM to the training, which then saves. Its loader processes get no signal."""
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGTERM)

    def finish(self, deadline: float) -> None:
        """Kill the training if it still runs at ``deadline``, in monotonic time, and wait until it is stored."""
        if self.process is None:
            return
        while self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.1)
        kill_group(self.process)
        self._watcher.join(20)


def store_details(work: Path, out: Path) -> None:
    """Write ``details.tar``. Safe in several threads."""
    with _details_lock:
        pack_details(work, out)


def finish_trainings(trainings: Sequence[Training], deadline: float) -> None:
    """Wait for the trainings until ``deadline``, then stop those that still run, and wait until all are stored."""
    while any(training.is_running() for training in trainings) and time.monotonic() < deadline:
        time.sleep(0.1)
    for training in trainings:
        training.ask_to_stop()
    last = time.monotonic() + STOP_SECONDS
    for training in trainings:
        training.finish(last)
