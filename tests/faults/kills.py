"""``kill -9``, at random moments and at each operation on files; then the same command again."""

import random
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from tests.faults import children
from tests.faults.attack import Attack, Failure
from tests.faults.downloading import DownloadOperation
from tests.faults.evaluating import EvaluateOperation
from tests.faults.injection import Injection, limit_file_size
from tests.faults.operations import ConvertOperation, Operation, Shared, TrainOperation
from tests.faults.workplace import METHODS

WAYS = ("operation", "operation", "strace", "operation", "write", "operation", "operation", "strace")
WRITE_LIMIT = 80_000  # bytes; the largest file of a tiny run is its state


class KillAtRandom(Attack):
    """Kills commands, and the repetitions of them, at random moments."""

    operations: Sequence[Operation]

    def round(self, index: int, rng: random.Random, folder: Path) -> Failure | None:
        operation = self.operations[index % len(self.operations)]
        operation.shared.expected(operation)
        operation.prepare(folder)
        moments = [rng.uniform(0, 1.05 * operation.seconds) for _ in range(rng.randint(1, 3))]
        self.fault = f"{operation.name} killed after {moments} s"
        for moment in moments:
            if operation.is_finished(folder):
                break
            ended = children.run(operation.next_command(folder), folder, kill_after=moment)
            self.kills += ended.killed
            if not ended.killed:
                failure = ended.failure(0) or operation.compare(folder)
                return failure and Failure(failure.verdict, failure.what, self.fault)
        failure = operation.finish(folder)
        return failure and Failure(failure.verdict, failure.what, self.fault)

    def close(self) -> None:
        for operation in self.operations:
            operation.close()


class KillTraining(KillAtRandom):
    """Kills trainings of every method, and the resumes of them."""

    name = "kill-training"

    def __init__(self, folder: Path, shared: Shared) -> None:
        super().__init__(folder, shared)
        self.operations = [TrainOperation(shared, method) for method in METHODS]


class KillConvert(KillAtRandom):
    """Kills conversions; in every tenth round photos are decoded by processes."""

    name = "kill-convert"

    def __init__(self, folder: Path, shared: Shared) -> None:
        super().__init__(folder, shared)
        self.operations = [ConvertOperation(shared)] * 9 + [ConvertOperation(shared, real_decoders=True)]


class KillDownload(KillAtRandom):
    """Kills downloads of datasets, with a known checksum of the archive and without."""

    name = "kill-download"

    def __init__(self, folder: Path, shared: Shared) -> None:
        super().__init__(folder, shared)
        self.operations = [DownloadOperation(shared, is_known=is_known) for is_known in (True, False)]


class KillEvaluate(KillAtRandom):
    """Kills evaluations that write a report."""

    name = "kill-evaluate"

    def __init__(self, folder: Path, shared: Shared) -> None:
        super().__init__(folder, shared)
        self.operations = [EvaluateOperation(shared)]


class KillSyscall(Attack):
    """Kills commands before each of their operations on files, and in the middle of writes.

    Round after round takes the next operation on files. Two of eight rounds kill by strace, if it is installed.
    """

    name = "kill-syscall"

    def __init__(self, folder: Path, shared: Shared) -> None:
        super().__init__(folder, shared)
        self.operations: list[Operation] = [
            TrainOperation(shared, "cyclegan"), ConvertOperation(shared), TrainOperation(shared, "regression"),
            DownloadOperation(shared, is_known=False), EvaluateOperation(shared),
        ]  # fmt: skip

    def close(self) -> None:
        for operation in self.operations:
            operation.close()

    def round(self, index: int, rng: random.Random, folder: Path) -> Failure | None:
        turn, kind = divmod(index, len(self.operations))
        operation = self.operations[kind]
        operation.shared.expected(operation)
        operation.prepare(folder)
        cycles, place = divmod(turn, len(WAYS))
        if WAYS[place] == "strace" and shutil.which("strace"):
            self.fault, ended = self._kill_by_strace(operation, rng, folder)
        elif WAYS[place] == "write":
            self.fault, ended = self._kill_in_write(operation, rng, folder)
        else:
            number = cycles * WAYS.count("operation") + WAYS[:place].count("operation")
            self.fault, ended = self._kill_at_operation(operation, number, folder)
        self.kills += ended.killed
        if not ended.killed:
            failure = ended.failure(0, 1) or (operation.compare(folder) if ended.status == 0 else None)
            if failure or ended.status == 0:
                return failure and Failure(failure.verdict, failure.what, self.fault)
        failure = operation.finish(folder)
        return failure and Failure(failure.verdict, failure.what, self.fault)

    def _kill_at_operation(self, operation: Operation, number: int, folder: Path) -> tuple[str, children.Ended]:
        number = number % operation.num_file_operations + 1
        run = Injection(folder, number).around(operation.next_command(folder))
        return f"{operation.name} killed before its operation {number} on files", children.run(run, folder)

    def _kill_in_write(self, operation: Operation, rng: random.Random, folder: Path) -> tuple[str, children.Ended]:
        limit = int(WRITE_LIMIT ** rng.uniform(0.2, 1.0))
        go_on = operation.next_command(folder)

        def run() -> None:
            limit_file_size(limit, kill=True)
            go_on()

        return f"{operation.name} killed when a file had {limit} bytes", children.run(run, folder)

    def _kill_by_strace(self, operation: Operation, rng: random.Random, folder: Path) -> tuple[str, children.Ended]:
        call = rng.choice(("rename", "fsync", "openat", "unlink", "write"))
        number = rng.randint(1, 12 if call in ("rename", "fsync", "unlink") else 60)
        go = folder.with_suffix(".go")
        go_on = operation.next_command(folder)

        def run() -> None:
            while not go.exists():
                time.sleep(0.01)
            go_on()

        child = children.Child(run, folder)
        inject = f"inject={call}:signal=SIGKILL:when={number}"
        filters = ["-e", f"trace={call}", "-e", inject]
        arguments = ["strace", "-f", "-q", "-o", "/dev/null", *filters, "-p", str(child.process)]
        with subprocess.Popen(arguments, stderr=subprocess.DEVNULL) as tracer:
            while tracer.poll() is None and not _is_traced(child.process):
                time.sleep(0.01)
            go.touch()
            ended = child.wait()
        go.unlink()
        return f"{operation.name} killed by strace at its {call} number {number}", ended


def _is_traced(process: int) -> bool:
    status = Path(f"/proc/{process}/status").read_text()
    return "TracerPid:\t0\n" not in status
