"""The log of received files: which checksum each address gave, for addresses whose checksum nobody published."""

import json
import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from i2i.json_parsing import JsonError, parse_json_table

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Received:
    """A received file.

    Attributes:
        sha256: of the file, in hex digits.
        bytes: size of the file.
        date: of the download, ISO 8601.
    """

    sha256: str
    bytes: int
    date: str

    def describe(self) -> str:
        """Return the file and the way to accept another one, to end a sentence."""
        return (
            f"{self.date[:10]} ({self.bytes} bytes, SHA-256 {self.sha256}). Either file may have been altered. If the "
            "new one is right, accept it with `i2i data download NAME --allow-changed`"
        )


def default_download_log() -> "DownloadLog":
    """Return the user's log: ``i2i/downloads.jsonl`` in $XDG_STATE_HOME or ``~/.local/state``."""
    folder = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return DownloadLog(Path(folder) / "i2i" / "downloads.jsonl")


class DownloadLog:
    """A file with one line of JSON for each received file. Processes may append to it concurrently.

    Args:
        path: of the file; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, url: str) -> Received | None:
        """Return the file that was received last from an address. Damaged lines are passed over."""
        found = None
        with suppress(OSError):
            for line in self.path.read_bytes().split(b"\n"):
                with suppress(JsonError):
                    row = parse_json_table(line)
                    size, digest, date = row.get("bytes"), row.get("sha256"), row.get("date")
                    if row.get("url") == url and isinstance(digest, str) and isinstance(date, str):
                        found = Received(digest, size, date) if type(size) is int else found
        return found

    def add(self, url: str, sha256: str, size: int) -> None:
        """Append a received file, unless it is the last one of its address. A failure is logged, not raised."""
        last = self.find(url)
        if last and last.sha256 == sha256:
            return
        now = datetime.now(UTC).isoformat(timespec="seconds")
        line = json.dumps({"url": url, "sha256": sha256, "bytes": size, "date": now})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                file.write(b"\n" * bool(file.tell() and not self._ends_with_newline()) + line.encode() + b"\n")
        except OSError as error:
            logger.warning(
                "%s could not be written: %s. The checksum of this download will not be compared to the next one.",
                self.path,
                error.strerror or error,
            )

    def _ends_with_newline(self) -> bool:
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"
