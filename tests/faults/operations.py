"""Commands that are attacked: what they start from, and what they must leave."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

import i2i.convert.conversion
from i2i.checkpoints.run import Run
from tests.cli.test_convert import InProcessPool
from tests.faults import children, workplace
from tests.faults.attack import LOST, WRONG, Failure
from tests.faults.comparison import compare_folders, compare_runs, leftover_files
from tests.faults.injection import Injection


class Shared:
    """Datasets, settings and the results of uninterrupted commands; each is made when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        workplace.write_datasets(folder / "datasets")
        workplace.write_photos(folder / "photos")

    def settings(self, method: str) -> Path:
        return workplace.write_settings(self.folder, method)

    def expected(self, operation: "Operation") -> Path:
        """Return the folder of an uninterrupted command."""
        folder = self.folder / f"expected-{operation.name}"
        if not folder.exists():
            folder.mkdir()
            operation.prepare(folder)
            count = Injection(folder, 0).around(operation.next_command(folder), folder / "operations")
            ended = children.run(count, folder)
            if failure := ended.failure(0):
                raise RuntimeError(f"{operation.name} without a fault: {failure.what}")
            (folder / "seconds").write_text(str(ended.seconds))
        operation.seconds = float((folder / "seconds").read_text())
        operation.num_file_operations = int((folder / "operations").read_text())
        return folder


class Operation(ABC):
    """A command that can be attacked and then repeated.

    Attributes:
        name: of the operation.
        seconds: that it takes without a fault, once ``Shared.expected`` has run it.
        num_file_operations: its operations on files, counted in that run.
    """

    name: str
    seconds: float = 1.0
    num_file_operations: int = 1

    def __init__(self, shared: Shared) -> None:
        self.shared = shared

    @abstractmethod
    def prepare(self, folder: Path) -> None:
        """Write what the command starts from into an empty folder."""

    @abstractmethod
    def next_command(self, folder: Path) -> Callable[[], None]:
        """Return the command that a user would give now, such as with --resume if there is a run."""

    @abstractmethod
    def check_attacked(self, folder: Path) -> Failure | None:
        """Return a failure if what the attacked command left is not usable."""

    @abstractmethod
    def compare(self, folder: Path) -> Failure | None:
        """Return a failure if the repeated command left something else than an uninterrupted one."""

    def is_finished(self, folder: Path) -> bool:
        """Return whether the command must not be repeated, because the attacked one did everything."""
        return False

    def close(self) -> None:
        """Stop what the operation has started."""
        return

    def finish(self, folder: Path) -> Failure | None:
        """Check what an attack left, repeat the command without a fault, and compare the results."""
        if failure := self.check_attacked(folder):
            return failure
        if self.is_finished(folder):
            return self.compare(folder)
        ended = children.run(self.next_command(folder), folder)
        if failure := ended.failure(0):
            return Failure(LOST if ended.status in (1, 2) else WRONG, f"the repeated command: {failure.what}")
        return self.compare(folder)


class TrainOperation(Operation):
    """``i2i train``, then ``--resume`` until it is finished."""

    def __init__(self, shared: Shared, method: str) -> None:
        super().__init__(shared)
        self.method = method
        self.name = f"train-{method}"

    def prepare(self, folder: Path) -> None:
        (folder / "checkpoints").mkdir()

    def next_command(self, folder: Path) -> Callable[[], None]:
        if Run(folder / "checkpoints" / "run").exists():
            return children.command("train", self.method, "--name", "run", "--resume")
        settings = self.shared.settings(self.method)
        return children.command("train", self.method, "--config", str(settings), "--name", "run")

    def check_attacked(self, folder: Path) -> Failure | None:
        run = Run(folder / "checkpoints" / "run")
        if run.has_state() and run.load_state() is None:
            return Failure(LOST, "the states are not usable")
        return None

    def compare(self, folder: Path) -> Failure | None:
        return compare_runs(self.shared.expected(self) / "checkpoints" / "run", folder / "checkpoints" / "run")


class ConvertOperation(Operation):
    """``i2i convert`` of a folder, which is repeated until all photos are converted.

    Args:
        shared: the photos, and the model of a tiny training.
        real_decoders: start the processes that decode photos; otherwise they are decoded in the child itself.
    """

    def __init__(self, shared: Shared, *, real_decoders: bool = False) -> None:
        super().__init__(shared)
        self.name = "convert-processes" if real_decoders else "convert"
        self.real_decoders = real_decoders
        training = TrainOperation(shared, "cyclegan")
        self.model = shared.expected(training) / "checkpoints" / "run"

    def prepare(self, folder: Path) -> None:
        shutil.copytree(self.shared.folder / "photos", folder / "in")  # with the times of the files
        self._written: dict[Path, int] = {}

    def next_command(self, folder: Path) -> Callable[[], None]:
        convert = children.command("convert", str(self.model), "in", "--out", "out", "--device", "cpu")
        if self.real_decoders:
            return convert

        def run() -> None:
            i2i.convert.conversion.DecoderPool = InProcessPool  # type: ignore[misc,assignment]
            convert()

        return run

    def check_attacked(self, folder: Path) -> Failure | None:
        """Check each result that has its name, and note when it was written."""
        expected = self.shared.expected(self) / "out"
        self._written.clear()
        for path in self._results(folder):
            name = path.relative_to(folder / "out")
            if path.read_bytes() != (expected / name).read_bytes():
                return Failure(WRONG, f"the killed conversion left {name}, which differs from an uninterrupted one")
            self._written[name] = path.stat().st_mtime_ns
        return None

    def compare(self, folder: Path) -> Failure | None:
        for name, time in self._written.items():
            if (folder / "out" / name).stat().st_mtime_ns != time:
                return Failure(WRONG, f"{name} was converted again")
        if leftovers := leftover_files(folder):
            return Failure(WRONG, f"leftover files: {', '.join(leftovers)}")
        return compare_folders(self.shared.expected(self) / "out", folder / "out")

    def _results(self, folder: Path) -> list[Path]:
        if not (folder / "out").is_dir():
            return []
        return [path for path in (folder / "out").rglob("*") if path.is_file() and not path.name.startswith(".")]
