"""The log of a training: damaged lines, and a disk that is full."""

import json
from pathlib import Path

import numpy as np
import pytest

from i2i.checkpoints import log as log_module
from i2i.checkpoints.log import MetricsLog, read_log


def steps(folder: Path) -> list[int]:
    return [row["step"] for row in read_log(folder)]


def test_rows_after_the_step_of_a_resume_are_removed(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text('{"step": 2}\n{"step": 4}\n{"step": 6}\n{"st')
    MetricsLog(tmp_path, 4).close()
    assert (tmp_path / "log.jsonl").read_text() == '{"step": 2}\n{"step": 4}\n'
    assert not (tmp_path / "log.damaged.jsonl").exists()


@pytest.mark.parametrize("line", [
    b"\xff\xfe\x00", b"[]", b"3", b"null", b'{"lr": 1.0}', b'{"step": "2"}', b'{"step": null}', b'{"step": -1}',
    b'{"step": true}', b'{"step": 3.5}', b"[" * 100_000, b'{"step": 1, "x": ' + b"9" * 5000 + b"}",
    b'{"step": 1, "x": ' + b"9" * 400 + b"}", b"{",
])  # fmt: skip
def test_damaged_lines_are_left_out_and_kept_in_a_copy(
    line: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = b'{"step": 2}\n' + line + b'\n{"step": 4}\n'
    (tmp_path / "log.jsonl").write_bytes(content)
    assert steps(tmp_path) == [2, 4]
    MetricsLog(tmp_path, 4).close()
    assert steps(tmp_path) == [2, 4]
    assert (tmp_path / "log.damaged.jsonl").read_bytes() == content
    assert "1 lines of" in caplog.text


def test_rows_that_a_full_disk_refuses_are_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = MetricsLog(tmp_path, 0)
    log.log(1, {"loss": 0.5})
    append = log_module._append

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log_module, "_append", full)
    log.log(2, {"loss": 0.4})
    log.log(3, {"loss": 0.3})
    assert len([message for message in caplog.messages if "No space left on device" in message]) == 1
    monkeypatch.setattr(log_module, "_append", append)
    log.log(4, {"loss": 0.2})
    log.close()
    assert [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()] == [1, 2, 3, 4]


def test_events_that_cannot_be_written_do_not_stop_the_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = MetricsLog(tmp_path, 0)

    class FullDisk:
        def write_scalars(self, *arguments: object) -> None:
            raise OSError(28, "No space left on device")

    log._events = FullDisk()  # type: ignore[assignment]
    log.log(1, {"loss": 0.5})
    log.log_image(1, np.zeros((4, 4, 3), np.uint8))
    log.close()
    assert steps(tmp_path) == [1]
    assert "No space left on device" in caplog.text
