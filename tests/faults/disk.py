"""Full disks and disk errors while commands write; then room is made, and the command is repeated."""

import random
import shutil
import subprocess
from pathlib import Path

from tests.faults import children
from tests.faults.attack import Attack, Failure
from tests.faults.injection import Injection, limit_file_size
from tests.faults.operations import ConvertOperation, Operation, Shared, TrainOperation

ROOM = 8_000_000  # bytes; more than any of the commands writes
USED = 700_000  # bytes that a command takes at most
WRITE_LIMIT = 80_000


class DiskFull(Attack):
    """Lets the disk be full from some moment on.

    By a small tmpfs where it can be mounted, by a limit on the size of files, or by ENOSPC from each operation that
    writes.
    """

    name = "disk-full"

    def __init__(self, folder: Path, shared: Shared) -> None:
        super().__init__(folder, shared)
        trainings = [TrainOperation(shared, method) for method in ("cyclegan", "regression", "pix2pix")]
        self.operations: list[Operation] = [trainings[0], ConvertOperation(shared), *trainings[1:]]
        self.can_mount = _mount(folder / "probe", 100_000)
        if self.can_mount:
            _unmount(folder / "probe")

    def round(self, index: int, rng: random.Random, folder: Path) -> Failure | None:
        operation = self.operations[index % len(self.operations)]
        operation.shared.expected(operation)
        way = rng.choice(("tmpfs", "limit", "errors") if self.can_mount else ("limit", "errors"))
        if way != "tmpfs":
            return self._attack(operation, way, rng, folder)
        mounted = folder / "disk"
        _mount(mounted, ROOM)
        try:
            return self._attack(operation, way, rng, mounted)
        finally:
            _unmount(mounted)

    def _attack(self, operation: Operation, way: str, rng: random.Random, folder: Path) -> Failure | None:
        operation.prepare(folder)
        go_on = operation.next_command(folder)
        if way == "tmpfs":
            filler = folder / "filler"
            free = int(USED ** rng.uniform(0.5, 1.0))
            filler.write_bytes(bytes(shutil.disk_usage(folder).free - free))
            fault = f"{operation.name} with {free} bytes free"
            ended = children.run(go_on, folder)
            filler.unlink()
        elif way == "limit":
            limit = int(WRITE_LIMIT ** rng.uniform(0.0, 1.0))
            fault = f"{operation.name} with files of at most {limit} bytes"

            def limited() -> None:
                limit_file_size(limit, kill=False)
                go_on()

            ended = children.run(limited, folder)
        else:
            number = rng.randint(1, 120)
            fault = f"{operation.name} with a full disk from operation {number} on"
            injection = Injection(folder, number, "ENOSPC", repeated=True)
            ended = children.run(injection.around(go_on), folder)
        failure = ended.failure(0, 1, 2) or _unless_said(operation.finish(folder), ended)
        return failure and Failure(failure.verdict, failure.what, fault)


class InputOutputError(DiskFull):
    """Lets one operation on files fail with EIO, or all from one on."""

    name = "eio"

    def round(self, index: int, rng: random.Random, folder: Path) -> Failure | None:
        operation = self.operations[index % len(self.operations)]
        operation.shared.expected(operation)
        operation.prepare(folder)
        number = rng.randint(1, 120)
        injection = Injection(folder, number, "EIO", repeated=rng.random() < 0.3)
        ended = children.run(injection.around(operation.next_command(folder)), folder)
        failure = ended.failure(0, 1, 2) or _unless_said(operation.finish(folder), ended)
        return failure and Failure(failure.verdict, failure.what, f"{operation.name} with {injection}")


def _unless_said(failure: Failure | None, ended: children.Ended) -> Failure | None:
    """Return no failure for a sample grid that is missing if the attacked command said that it was not saved."""
    is_sample = failure is not None and failure.what.startswith("samples/") and failure.what.endswith("is missing")
    if is_sample and "A sample grid was not saved; the training goes on." in ended.output:
        return None
    return failure


def _mount(folder: Path, size: int) -> bool:
    """Mount an empty tmpfs of ``size`` bytes. Return whether that is possible here."""
    folder.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _unmount(folder: Path) -> None:
    subprocess.run(["umount", "-l", folder], check=True)
