"""Flipped bits and cut ends in each file of a run; then the commands that read it."""

import os
import random
import shutil
import signal
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.torch import load_file

import i2i.convert.conversion
from i2i.training.trainer import Trainer
from tests.cli.test_convert import InProcessPool
from tests.faults import children
from tests.faults.attack import LOST, WRONG, Attack, Failure
from tests.faults.comparison import first_difference
from tests.faults.damage import damage
from tests.faults.operations import Shared, TrainOperation

STOP = 4  # the step at which the attacked trainings were stopped
METHODS = ("cyclegan", "regression", "pix2pix")
FORMATS = Path(__file__).parents[1] / "formats"
OLD_RUNS = {"tiny-cyclegan": "cyclegan", "tiny-denoise": "regression"}


class Flip(Attack):
    """Damages a file of a stopped run, and resumes, converts with, lists, evaluates or exports it.

    Every eighth round damages a run that an earlier version wrote, without checksums: its errors must be in words.
    """

    name = "flip"
    runs_in_child = True

    def __init__(self, folder: Path, shared: Shared) -> None:
        super().__init__(folder, shared)
        i2i.convert.conversion.DecoderPool = InProcessPool  # type: ignore[misc,assignment]
        self.operations = {method: TrainOperation(self.shared, method) for method in METHODS}
        for method in METHODS:
            self.shared.expected(self.operations[method])
            self._stop_a_training(method)

    def _stop_a_training(self, method: str) -> None:
        folder = self.folder / method
        folder.mkdir()
        self.operations[method].prepare(folder)
        train = self.operations[method].next_command(folder)

        def run() -> None:
            run_step = Trainer._run_step

            def stopping(trainer: Trainer, batch: object) -> None:
                run_step(trainer, batch)  # type: ignore[arg-type]
                if trainer.step == STOP:
                    os.kill(os.getpid(), signal.SIGTERM)

            Trainer._run_step = stopping  # type: ignore[method-assign]
            train()

        ended = children.run(run, folder)
        if failure := ended.failure(128 + signal.SIGTERM):
            raise RuntimeError(failure.what)
        photos = children.run(lambda: self._convert(folder), folder)
        if failure := photos.failure(0):
            raise RuntimeError(failure.what)

    def _convert(self, folder: Path) -> None:
        i2i.convert.conversion.DecoderPool = InProcessPool  # type: ignore[misc,assignment]
        children.command("convert", "run", str(self.shared.folder / "photos"), "--out", "out", "--device", "cpu")()

    def round(self, index: int, rng: random.Random, folder: Path) -> Failure | None:
        if index % 8 == 7:
            return self._round_of_old_run(rng, folder)
        method = METHODS[index % len(METHODS)]
        shutil.copytree(self.folder / method / "checkpoints", folder / "checkpoints")
        run = folder / "checkpoints" / "run"
        names = sorted(path.relative_to(run) for path in run.rglob("*") if path.is_file() and path.name != ".lock")
        name = rng.choice(names)
        data, change = damage((run / name).read_bytes(), rng)
        (run / name).write_bytes(data)
        action = rng.choice((self._resume, self._resume, self._convert_and_compare, self._read))
        failure = action(method, name, folder, rng)
        return failure and Failure(failure.verdict, failure.what, f"{method} run, {name} {change}, {action.__name__}")

    def _round_of_old_run(self, rng: random.Random, folder: Path) -> Failure | None:
        version = rng.choice(("v1", "v2"))
        name, method = rng.choice(list(OLD_RUNS.items()))
        for part in ("checkpoints", "datasets"):
            shutil.copytree(FORMATS / version / part, folder / part)
        run = folder / "checkpoints" / name
        path = rng.choice(sorted(path for path in run.rglob("*") if path.is_file()))
        data, change = damage(path.read_bytes(), rng)
        path.write_bytes(data)
        commands = {
            "resume": ("train", method, "--name", name, "--resume", "--steps", "12"),
            "info": ("models", "info", name), "list": ("models", "list"),
        }  # fmt: skip
        word, arguments = rng.choice(list(commands.items()))
        failure = children.run_here(children.command(*arguments), folder).failure(0, 1, 2)
        fault = f"{version}/{path.relative_to(folder)} {change}, {word}"
        return failure and Failure(failure.verdict, failure.what, fault)

    def _resume(self, method: str, name: Path, folder: Path, rng: random.Random) -> Failure | None:
        run = folder / "checkpoints" / "run"
        ended = children.run_here(children.command("train", method, "--name", "run", "--resume"), folder)
        if failure := ended.failure(0):
            return Failure(LOST if ended.status in (1, 2) else WRONG, failure.what)
        expected = self.shared.expected(self.operations[method]) / "checkpoints" / "run"
        for path in sorted(expected.glob("*.safetensors")):
            if difference := first_difference(load_file(path), load_file(run / path.name)):
                return Failure(WRONG, f"{path.name}: {difference}")
        return None

    def _convert_and_compare(self, method: str, name: Path, folder: Path, rng: random.Random) -> Failure | None:
        ended = children.run_here(lambda: self._convert(folder), folder)
        may_fail = name.name == "weights.safetensors"
        if failure := ended.failure(0, 1, 2) if may_fail else ended.failure(0):
            return failure
        if ended.status:
            return None
        expected = self.folder / method / "out"
        for path in sorted(expected.rglob("*.png")):
            with Image.open(path) as one, Image.open(folder / "out" / path.relative_to(expected)) as other:
                if not np.array_equal(np.asarray(one), np.asarray(other)):
                    return Failure(WRONG, f"{path.name} was converted to another image")
        return None

    def _read(self, method: str, name: Path, folder: Path, rng: random.Random) -> Failure | None:
        """List, inspect, export or evaluate the damaged run."""
        arguments = rng.choice((
            ("models", "list"), ("models", "info", "run"), ("models", "info", "run/best"), ("models", "prune", "--yes"),
            ("models", "export", "run", "--out", "exported"),
        ))  # fmt: skip
        return children.run_here(children.command(*arguments), folder).failure(0, 1, 2)
