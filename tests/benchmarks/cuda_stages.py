"""Run the stages of ``cuda_session``: processes with a time limit, whose results are written as they arrive."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

MIN_SECONDS = 5  # a stage with less time is not started


class Stage(NamedTuple):
    """One process of the session."""

    name: str
    command: list[str]  # after the name of the Python interpreter
    seconds: float  # time limit


class Recorder:
    """Writes results as JSON lines, and all other output as text; both are flushed at once. Safe in several threads."""

    def __init__(self, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.results: IO[str] = (out / "results.jsonl").open("a")
        self.log: IO[str] = (out / "session.log").open("a")
        self._lock = threading.Lock()

    def result(self, stage: str, values: Mapping[str, Any]) -> None:
        with self._lock:
            print(json.dumps({"stage": stage, **values}), file=self.results, flush=True)

    def text(self, line: str) -> None:
        with self._lock:
            print(line.rstrip("\n"), file=self.log, flush=True)


def run_stage(stage: Stage, limit: float, recorder: Recorder, environment: Mapping[str, str] = os.environ) -> None:
    """Run a stage for at most ``limit`` seconds. Each JSON object that it prints becomes a result at once."""
    start = time.monotonic()
    if limit < MIN_SECONDS:
        recorder.result(stage.name, {"skipped": "no time left"})
        return
    recorder.text(f"== {stage.name}, at most {limit:.0f} s: {shlex.join(stage.command)}")
    process = subprocess.Popen(
        [sys.executable, *stage.command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=recorder.log,
        text=True, start_new_session=True, env=dict(environment),
    )  # fmt: skip
    timed_out = threading.Event()

    def stop() -> None:
        timed_out.set()
        kill_group(process)

    timer = threading.Timer(limit, stop)
    timer.start()
    try:
        _record_output(stage.name, process, recorder)
        code = process.wait()
    finally:  # also if the session itself is stopped
        timer.cancel()
        kill_group(process)
    status = "timeout" if timed_out.is_set() else code
    recorder.result(stage.name, {"exit": status, "seconds": round(time.monotonic() - start, 1)})


def _record_output(name: str, process: "subprocess.Popen[str]", recorder: Recorder) -> None:
    block: list[str] = []  # the lines of an object that began with a line "{"
    assert process.stdout is not None
    for line in process.stdout:
        block = [line] if line.startswith("{") else [*block, line] if block else []
        values = parse_object("".join(block))
        if values is None:
            recorder.text(line)
        else:
            recorder.result(name, values)
            block = []


def kill_group(process: "subprocess.Popen[Any]") -> None:
    """Kill a process that leads a session of its own, and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def parse_object(text: str) -> dict[str, Any] | None:
    """Return the JSON object of a text; None if it is no JSON object."""
    try:
        values = json.loads(text)
    except ValueError:
        return None
    return values if isinstance(values, dict) else None
