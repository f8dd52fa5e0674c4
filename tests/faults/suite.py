"""Runs the rounds of each kind, and reports them."""

import importlib
import json
import math
import os
import random
import shutil
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tests.faults import children, workplace
from tests.faults.attack import LOST, WRONG, Attack, Failure
from tests.faults.operations import Shared

KINDS = {  # names, and modules with the classes: a run imports only what it needs
    "kill-training": "kills.KillTraining",
    "kill-syscall": "kills.KillSyscall",
    "kill-convert": "kills.KillConvert",
    "kill-download": "kills.KillDownload",
    "kill-evaluate": "kills.KillEvaluate",
    "kill-demo": "demo_kills.KillDemo",
    "disk-full": "disk.DiskFull",
    "eio": "disk.InputOutputError",
    "flip": "flip.Flip",
    "hostile-model": "hostile_model.HostileModel",
    "hostile-state": "hostile_state.HostileState",
    "hostile-record": "hostile_record.HostileRecord",
    "hostile-image": "hostile_image.HostileImage",
    "hostile-archive": "hostile_archive.HostileArchive",
    "download": "misbehaving_server.Download",
    "demo": "demo_crowd.Demo",
}
QUICK_ROUNDS = {  # without the demo, whose tests start a server and send it the same crowd
    "kill-training": 1, "kill-syscall": 3, "kill-convert": 2, "kill-download": 2, "kill-evaluate": 1, "disk-full": 2,
    "eio": 1, "flip": 2, "hostile-model": 60, "hostile-state": 30, "hostile-record": 48, "hostile-image": 40,
    "hostile-archive": 100, "download": 40,
}  # fmt: skip
COLUMNS = ("kind", "tried", "kills", "held", "lost", "wrong", "seconds", "cpu")


def run_suite(
    folder: Path, kinds: Sequence[str], rounds: range | None, seed: int, out: Path | None, seconds: float
) -> bool:
    """Run the rounds of each kind, print the failures and the table. Return whether there was a failure.

    Args:
        folder: for temporary files.
        kinds: names of kinds.
        rounds: numbers of the rounds; None for the first few, see QUICK_ROUNDS.
        seed: of all random choices.
        out: for the reports and the files of the failures; None to keep none.
        seconds: limit for each kind.
    """
    children.import_all()
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        out = out.resolve()
    workplace.use_environment(folder / "shared")
    shared = Shared(folder / "shared")
    table = []
    for kind in kinds:
        runner = KindRunner(load_kind(kind), folder / kind, shared, seed, out)
        table.append(runner.run(rounds or range(QUICK_ROUNDS.get(kind, 0)), seconds))
        print(format_row(table[-1]), file=sys.stderr, flush=True)
    if out is not None:
        (out / "table.json").write_text(json.dumps({"seed": seed, "rows": table}, indent=2))
    print(format_row(dict(zip(COLUMNS, COLUMNS, strict=True))))
    for row in table:
        print(format_row(row))
    return any(row["held"] < row["tried"] for row in table)


def load_kind(name: str) -> type[Attack]:
    """Return the class of a kind of attack."""
    module, _, class_name = KINDS[name].partition(".")
    kind: type[Attack] = getattr(importlib.import_module(f"tests.faults.{module}"), class_name)
    return kind


def format_row(row: dict[str, Any]) -> str:
    return f"{row['kind']:<16}" + "".join(f"{row[column]:>9}" for column in COLUMNS[1:])


class KindRunner:
    """Runs the rounds of one kind.

    Args:
        kind: class of the attack.
        folder: for temporary files.
        shared: datasets, and the results of uninterrupted commands.
        seed: of all random choices.
        out: for the files of failures, or None.
    """

    def __init__(self, kind: type[Attack], folder: Path, shared: Shared, seed: int, out: Path | None) -> None:
        self.kind = kind
        self.shared = shared
        self.folder = folder
        self.seed = seed
        self.out = out
        self.verdicts: Counter[str] = Counter()
        self.kills = 0
        folder.mkdir(parents=True)

    def run(self, rounds: range, seconds: float) -> dict[str, Any]:
        """Run the rounds within the limit of seconds, and return the row of the table."""
        began, began_cpu = time.monotonic(), sum(os.times()[:4])
        (self._run_in_children if self.kind.runs_in_child else self._run_here)(rounds, began + seconds)
        row = {name: self.verdicts[name] for name in ("held", LOST, WRONG)}
        times = {"seconds": round(time.monotonic() - began, 1), "cpu": round(sum(os.times()[:4]) - began_cpu, 1)}
        shutil.rmtree(self.folder, ignore_errors=True)
        return {"kind": self.kind.name, "tried": sum(row.values()), "kills": self.kills, **row, **times}

    def _run_here(self, rounds: Iterable[int], deadline: float) -> None:
        attack = self.kind(self.folder / "attack", self.shared)
        try:
            for index in rounds:
                if time.monotonic() > deadline:
                    break
                self._report(index, self._round(attack, index))
        finally:
            attack.close()
            self.kills = attack.kills

    def _round(self, attack: Attack, index: int) -> Failure | None:
        folder = self.folder / f"round-{index}"
        folder.mkdir()
        rng = random.Random(f"{self.seed}/{self.kind.name}/{index}")
        try:
            return attack.round(index, rng, folder)
        except Exception as error:
            last = "".join(traceback.format_exception(error))[-1500:]
            return Failure(WRONG, f"the round ended with {type(error).__name__}:\n{last}", attack.fault)

    def _run_in_children(self, rounds: range, deadline: float) -> None:
        """Run many rounds in one child process; after one in which it died, go on in a new one."""
        lines = self.folder / "rounds.jsonl"
        done = 0
        number = 0
        had_results = True
        while done < len(rounds) and time.monotonic() < deadline:
            lines.write_text("")
            number += 1
            rest = rounds[done:]
            ended = children.run(partial(self._child, rest, deadline, number, lines), self.folder, timeout=math.inf)
            results = [json.loads(line) for line in lines.read_text().splitlines()]
            for index, result in zip(rest, results, strict=False):
                self._report(index, Failure(**result) if result else None)
            done += len(results)
            if ended.status != 0:
                what = f"the process ended with {ended.status}: {ended.output[-1000:]}"
                if not results and number > 1 and not had_results:
                    raise RuntimeError(what)  # not by a round: the attack cannot even begin
                self._report(rounds[min(done, len(rounds) - 1)], Failure(WRONG, what))
                done += 1
            shutil.rmtree(self.folder / f"attack-{number}", ignore_errors=True)
            if ended.status == 0:
                break
            had_results = bool(results)

    def _child(self, rounds: range, deadline: float, number: int, lines: Path) -> None:
        attack = self.kind(self.folder / f"attack-{number}", self.shared)
        with lines.open("a") as file:
            for index in rounds:
                if time.monotonic() > deadline:
                    break
                failure = self._round(attack, index)
                file.write(json.dumps(failure and asdict(failure)) + "\n")
                file.flush()
                if failure is None:
                    shutil.rmtree(self.folder / f"round-{index}", ignore_errors=True)
        attack.close()

    def _report(self, index: int, failure: Failure | None) -> None:
        self.verdicts[failure.verdict if failure else "held"] += 1
        folder = self.folder / f"round-{index}"
        if failure is not None:
            repeat = f"python -m tests.faults --only {self.kind.name} --seed {self.seed} --start {index} --rounds 1"
            line = json.dumps({"kind": self.kind.name, "round": index, **asdict(failure), "repeat": repeat})
            print(line, flush=True)
            if self.out is not None:
                with (self.out / "failures.jsonl").open("a") as file:
                    file.write(line + "\n")
                kept = self.out / f"{self.kind.name}-{index}"
                shutil.rmtree(kept, ignore_errors=True)
                if folder.exists():
                    shutil.copytree(folder, kept, symlinks=True)
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_name(f"{folder.name}.log").unlink(missing_ok=True)
