"""The command `i2i` in the process of a test."""

import pytest

from i2i.cli import main


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run the command with these words, and return its exit code."""
    monkeypatch.setattr("sys.argv", ["i2i", *words])
    try:
        main()
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0
