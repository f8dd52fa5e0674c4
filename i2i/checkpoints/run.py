"""Run folders: everything that a training leaves behind, in one folder under ``checkpoints/``."""

import logging
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from i2i.checkpoints.config_file import CHANGED, decode_config, encode_config
from i2i.checkpoints.shipped import refuse_shipped
from i2i.checkpoints.state_file import encode_state, read_state
from i2i.checkpoints.upgrade import upgrade_config
from i2i.errors import I2IError, RunError, WriteError, io_errors
from i2i.images import write_atomic
from i2i.images.files import is_temporary
from i2i.json_parsing import JsonError
from i2i.paths import expand_user

logger = logging.getLogger(__name__)

STATE_NAMES = ("state.next.pt", "state.pt", "state.previous.pt")  # newest first
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def checkpoints_dir() -> Path:
    """Return the folder of the runs: ``$I2I_CHECKPOINTS``, else ``checkpoints``."""
    return expand_user(os.environ.get("I2I_CHECKPOINTS") or "checkpoints")


def is_run_name(name: str) -> bool:
    """Return whether a run can have this name: a plain folder name, which leads out of no folder."""
    return _NAME.fullmatch(name) is not None


def run_name_of_path(text: str) -> str:
    """Return the name of a run; ``text`` is its name, or the path of its folder in ``checkpoints_dir()``."""
    path = expand_user(text)
    if len(path.parts) > 1 and path.parent.resolve() == checkpoints_dir().resolve():
        return path.name
    return text.rstrip("/")


def write_or_explain(path: Path, data: bytes | memoryview) -> None:
    """Write a file atomically.

    Raises:
        WriteError: the file cannot be written; the message says how to continue the training elsewhere.
    """
    advice = (
        "Earlier files of the run are intact. Make room, or move the run's folder and set I2I_CHECKPOINTS to its "
        "parent folder; then run the command again, with --resume if the run has a state.pt."
    )
    with io_errors(path, error_type=WriteError, advice=advice):
        write_atomic(path, data)


def _is_leftover(path: Path) -> bool:
    return path.name == ".lock" or is_temporary(path)


class Run:
    """A run's folder.

    During the training it keeps the last two states, ``state.pt`` and ``state.previous.pt``; a finished run keeps one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path / ".lock", timeout=0)
        self._config: Mapping[str, Any] | None = None  # as last written; each state has a copy of it

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __repr__(self) -> str:
        state = "with weights" if self.weights_path.is_file() else "without weights"
        return f"<Run {self.path}, {state}>"

    @classmethod
    def from_name(cls, name: str) -> "Run":
        """Return the run ``name`` under ``checkpoints_dir()``, whether or not it exists.

        Raises:
            RunError: the name is not a plain folder name.
        """
        if not is_run_name(name):
            raise RunError(
                f"{name!r} cannot name a run (--name): use up to 100 letters, digits, '.', '_' and '-', and start with "
                "a letter or digit."
            )
        return cls(checkpoints_dir() / name)

    @classmethod
    def find(cls, name: str) -> "Run":
        """Return the run of a name under ``checkpoints_dir()``, or of the path of its folder anywhere.

        It need not exist.

        Raises:
            RunError: a name that is neither a path nor a plain folder name.
        """
        name = run_name_of_path(name)
        return cls(Path(name).expanduser()) if len(Path(name).parts) > 1 else cls.from_name(name)

    @property
    def reference(self) -> str:
        """The run as commands take it: its name, or its path if it is not in ``checkpoints_dir()``."""
        return run_name_of_path(str(self.path))

    @property
    def weights_path(self) -> Path:
        """The model file of the last checkpoint."""
        return self.path / "weights.safetensors"

    @property
    def best_path(self) -> Path:
        """The model file of the best checkpoint, if the training keeps one."""
        return self.path / "best.safetensors"

    def snapshot_path(self, step: int) -> Path:
        """Return the path of the model file after ``step`` steps, if the training keeps snapshots."""
        return self.path / "snapshots" / f"{step:07}.safetensors"

    def exists(self) -> bool:
        return (self.path / "config.json").is_file()

    def create(self, config: Mapping[str, Any]) -> None:
        """Make the folder, lock it and write ``config.json``.

        What a start that was killed leaves is allowed: empty subfolders and temporary files.

        Raises:
            RunError: the folder holds a file already or is that of a shipped model, or another process holds its lock.
            I2IError: the folder cannot be made or written.
        """
        refuse_shipped(self.path, "overwritten")
        if any(path.is_file() and not _is_leftover(path) for path in self.path.rglob("*")):
            raise RunError(
                f"{self.path} exists already. Continue it with --resume, or choose another --name; nothing is "
                "overwritten."
            )
        with io_errors(self.path, "could not be made"):
            (self.path / "samples").mkdir(parents=True, exist_ok=True)
        self.lock_for_training()
        try:
            self.save_config(config)
        except I2IError:
            self.unlock()
            raise

    def save_config(self, config: Mapping[str, Any]) -> None:
        write_or_explain(self.path / "config.json", encode_config(config))
        self._config = config

    def load_config(self) -> dict[str, Any]:
        """Return the content of ``config.json``. If it is damaged, return its copy in the training state.

        Logs a warning if the copy is used.

        Raises:
            RunError: the file is missing, or damaged without a copy, or the name is that of a shipped model.
        """
        if not self.exists() and not self.has_state():
            refuse_shipped(self.path, "resumed", by_name=True)
        try:
            return self._read_config()
        except RunError as error:
            copy = self._config_of_state()
            if copy is None:
                raise
            logger.warning("%s Its copy in the last training state is used.", error)
            return copy

    def _read_config(self) -> dict[str, Any]:
        try:
            content, is_unchanged = decode_config((self.path / "config.json").read_bytes())
            if not is_unchanged:
                raise ValueError(CHANGED)
            return upgrade_config(content)
        except FileNotFoundError as error:
            if self.has_state():
                raise RunError(f"{self.path / 'config.json'} is missing.") from error
            reason = "it has no config.json" if self.path.is_dir() else "there is no such folder"
            advice = "`i2i models list` lists the runs. Start a new one without --resume."
            raise RunError(f"{self.path} is no run: {reason}. {advice}") from error
        except JsonError as error:
            raise RunError(f"{self.path / 'config.json'} is damaged: it {error}.") from error
        except (ValueError, TypeError, AttributeError) as error:  # not the tables that a version of i2i writes
            raise RunError(f"{self.path / 'config.json'} is damaged: {error}.") from error
        except OSError as error:
            raise RunError(f"{self.path / 'config.json'} could not be read: {error.strerror or error}.") from error

    def _config_of_state(self) -> dict[str, Any] | None:
        """Return the settings that were saved with the training state, or None if there are none."""
        try:
            state = self.load_state()
        except RunError:
            return None
        config = state.get("config") if state else None
        return dict(config) if isinstance(config, dict) else None

    def lock(self) -> None:
        """Lock the run for this process.

        Raises:
            RunError: another process holds the lock.
        """
        try:
            self._lock.acquire()
        except Timeout as error:
            raise RunError(f"{self.path} is being trained by another process.") from error

    def lock_for_training(self) -> None:
        """Lock the run as ``lock`` does, and remove the temporary files that a killed training left."""
        self.lock()
        for path in self.path.rglob("*.part"):
            if is_temporary(path):
                path.unlink(missing_ok=True)

    def has_lock_file(self) -> bool:
        """Return whether a training made its lock file here."""
        path = self.path / ".lock"
        return path.is_file() and not path.is_symlink()

    def is_locked(self) -> bool:
        """Return whether another process holds the lock. A linked lock file is not opened."""
        if not self.has_lock_file():
            return False
        try:
            with self._lock.acquire():
                return False
        except Timeout:
            return True

    def unlock(self) -> None:
        self._lock.release()

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Write ``state.pt`` atomically; the state before it becomes ``state.previous.pt``.

        The file gets a copy of the config that this object wrote.
        """
        current = self.path / "state.pt"
        new = self.path / "state.next.pt"
        copy = {"config": self._config} if self._config is not None else {}
        write_or_explain(new, encode_state({**state, **copy}))
        with io_errors(current, error_type=WriteError):
            if current.exists():
                current.replace(self.path / "state.previous.pt")
            new.replace(current)

    def drop_previous_state(self) -> None:
        """Keep the last state only, as ``state.pt``. It must have been saved."""
        new = self.path / "state.next.pt"
        if new.is_file():  # left by a killed training that had saved its last step
            try:
                read_state(new)
                new.replace(self.path / "state.pt")
            except RunError:
                new.unlink()
        if (self.path / "state.pt").is_file():
            with suppress(OSError):  # it is only in the way
                (self.path / "state.previous.pt").unlink(missing_ok=True)

    def has_state(self) -> bool:
        """Return whether a training state was saved and not removed since."""
        return any((self.path / name).is_file() for name in STATE_NAMES)

    def load_state(self) -> dict[str, Any] | None:
        """Return the newest training state that is not damaged, or None if none was saved yet.

        Logs a warning that names the damaged files, if there are any.

        Raises:
            RunError: there are states, and all are damaged.
        """
        damaged: list[str] = []
        for name in STATE_NAMES:
            path = self.path / name
            if path.is_file():
                try:
                    state = read_state(path)
                except RunError as error:
                    damaged.append(str(error))
                    continue
                if damaged:
                    logger.warning("%s %s is used, of step %d.", " ".join(damaged), path, state["step"])
                return state
        if damaged:
            raise RunError("No training state of this run can be read. " + " ".join(damaged))
        return None
