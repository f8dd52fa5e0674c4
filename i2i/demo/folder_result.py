"""The outcome of a folder job."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from i2i.demo.eta import format_duration


@dataclass
class FolderResult:
    """The outcome of a folder job.

    Attributes:
        converted: names of the results within the zip.
        previews: (reduced image, name) of the first results.
        failed: (name, reason) of each file that was not translated.
        notices: (name, sentence) about what of a file is missing or changed in its result.
        file: the zip, or None if there are no results.
        seconds: duration of the job.
    """

    converted: list[str] = field(default_factory=list)
    previews: list[tuple[Path, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    notices: list[tuple[str, str]] = field(default_factory=list)
    file: Path | None = None
    seconds: float = 0.0

    def summary(self) -> str:
        """Return a sentence for the page."""
        files = "file" if len(self.converted) == 1 else "files"
        failures = f", {len(self.failed)} failed" if self.failed else ""
        return f"{len(self.converted)} {files} translated{failures}, in {format_duration(self.seconds)}."

    def to_json(self) -> dict[str, Any]:
        """Return the fields of the API's answer."""
        failed = [{"source": name, "reason": reason} for name, reason in self.failed]
        notices = [{"source": name, "notice": notice} for name, notice in self.notices]
        seconds = round(self.seconds, 3)
        return {"converted": self.converted, "failed": failed, "notices": notices, "seconds": seconds}
