"""Hostile training states: with the right checksum, with other values, tensors and objects than a training saves."""

import io
import math
import pickle
import random
import shutil
import zipfile
from pathlib import Path
from typing import Any

import torch

from i2i.checkpoints import state_file
from i2i.recipes.launch import resume_training
from i2i.training.progress import TrainingProgress
from tests.faults import children
from tests.faults.attack import LOST, WRONG, Attack, Failure
from tests.faults.bounds import Canary, read_within_bounds, unexpected_files
from tests.faults.damage import damage
from tests.faults.hostile_model import hostile_value, nested
from tests.faults.operations import Shared, TrainOperation

METHODS = ("cyclegan", "regression")


class HostileState(Attack):
    """Resumes from hostile states. They are refused in words, or used; they run no code."""

    name = "hostile-state"
    runs_in_child = True

    def __init__(self, folder: Path, shared: Shared) -> None:
        super().__init__(folder, shared)
        self.runs = {
            method: shared.expected(TrainOperation(shared, method)) / "checkpoints" / "run" for method in METHODS
        }
        self.states = {method: state_file.read_state(run / "state.pt") for method, run in self.runs.items()}
        self.trainers: dict[str, Any] = {}

    def round(self, index: int, rng: random.Random, folder: Path) -> Failure | None:
        method = METHODS[index % len(METHODS)]
        run = folder / "checkpoints" / "run"
        run.mkdir(parents=True)
        self.canary = folder / "executed"
        (run / "state.pt").write_bytes(self._hostile_state(method, rng))
        trainer = self._trainer(method)
        trainer.run.path = run  # whose states are read, and which messages name

        def resume() -> None:
            state = trainer.run.load_state()
            if state is not None:
                trainer.load_state_dict(state)

        failure = read_within_bounds(resume) or unexpected_files(folder, "checkpoints")
        if failure is None and rng.random() < 0.02:
            failure = self._whole_command(method, run, folder)
        if failure is not None:
            self.trainers.pop(method, None)
        return failure and Failure(failure.verdict, failure.what, f"{method}: {self.fault}")

    def _trainer(self, method: str) -> Any:
        """Return a trainer that can load states of this method."""
        if method not in self.trainers:
            import os

            place = self.folder / f"trainer-{method}"
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(self.runs[method], place / "checkpoints" / "run")
            back = Path.cwd()
            os.chdir(place)
            try:
                trainer = resume_training(method, None, {}, "run", TrainingProgress())
            finally:
                os.chdir(back)
            trainer.run.unlock()
            self.trainers[method] = trainer
        return self.trainers[method]

    def _whole_command(self, method: str, run: Path, folder: Path) -> Failure | None:
        for name in ("config.json", "weights.safetensors"):
            shutil.copyfile(self.runs[method] / name, run / name)
        command = children.command("train", method, "--name", "run", "--resume")
        failure = children.run_here(command, folder).failure(0, 2)
        return failure and Failure(WRONG if "Traceback" in failure.what else LOST, failure.what)

    def _hostile_state(self, method: str, rng: random.Random) -> bytes:
        way = rng.choice(("value", "value", "value", "tensor", "tensor", "pickle", "object", "zip", "damage"))
        self.fault = way
        if way == "pickle":
            return pickle.dumps({"step": Canary(self.canary)}, protocol=rng.choice((0, 2, 4)))
        whole = bytes(state_file.encode_state(self.states[method]))
        if way == "damage":
            data, self.fault = damage(whole, rng)
            return data
        if way == "zip":
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w") as archive:
                code = rng.choice((pickle.dumps(Canary(self.canary)), b"", b"\x80\x02}q\x00.", rng.randbytes(100)))
                archive.writestr("archive/data.pkl", code)
                archive.writestr("archive/version", b"3\n")
                archive.writestr("../../outside", b"x")
            return buffer.getvalue()
        state = copied(self.states[method])
        if way == "object":
            state[rng.choice(list(state))] = Canary(self.canary)
        for _ in range(rng.choice((1, 1, 2))):
            self.fault += f", {change_value(state, rng, tensors=way == 'tensor')}"
        return bytes(state_file.encode_state(state))


def copied(value: Any) -> Any:
    """Return nested tables and lists with the same leaves."""
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list | tuple) else value


def change_value(state: dict[str, Any], rng: random.Random, *, tensors: bool) -> str:
    """Change one item of nested tables and lists. Return what was done."""
    places: list[tuple[Any, Any, str]] = []
    rest: list[tuple[Any, str]] = [(state, "")]
    while rest:
        table, where = rest.pop()
        items = table.items() if isinstance(table, dict) else enumerate(table) if isinstance(table, list) else ()
        for key, item in items:
            if isinstance(item, torch.Tensor) == tensors:
                places.append((table, key, f"{where}/{key}"))
            rest.append((item, f"{where}/{key}"))
    table, key, where = rng.choice(places)
    if rng.random() < 0.15:
        del table[key]
        return f"{where} removed"
    value = hostile_tensor(table[key], rng) if tensors else hostile_value(rng)
    if isinstance(value, str):
        value = value.encode("utf-8", "replace").decode()  # a pickle cannot hold a lone surrogate
    if isinstance(value, list) and len(value) == 1:
        value = nested(50)  # nor can it be written with deeper lists
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 2**63:
        value = rng.choice((2**63, -(2**70)))
    table[key] = value
    shown = f"a tensor {tuple(value.shape)} of {value.dtype}" if isinstance(value, torch.Tensor) else str(value)[:80]
    return f"{where} replaced by {shown!r}"


def hostile_tensor(tensor: torch.Tensor, rng: random.Random) -> Any:
    """Return another value for a tensor: of another shape, type or content."""
    return rng.choice((
        lambda: torch.zeros(0), lambda: torch.zeros(()), lambda: tensor.reshape(-1)[:1],
        lambda: tensor.to(torch.complex64), lambda: tensor.to(torch.float64), lambda: tensor.to(torch.bool),
        lambda: torch.full_like(tensor.float(), math.nan), lambda: torch.full_like(tensor.float(), math.inf),
        lambda: torch.zeros(1).expand(*(3 for _ in range(20))), lambda: tensor.unsqueeze(0), lambda: tensor.tolist(),
        lambda: nested(50), lambda: torch.zeros(1).to_sparse(), lambda: torch.zeros(1).expand(2**40),
        lambda: torch.empty(2, device="meta"),
    ))()  # fmt: skip
