"""State files: a checksum that is verified, and the states of earlier versions."""

import io
import random
import zipfile
from pathlib import Path

import pytest
import torch

from i2i.checkpoints.run import Run
from i2i.checkpoints.state_file import encode_state, read_state
from i2i.errors import RunError

STATE = {"step": 3, "method": {"weight": torch.arange(300.0)}}


def test_a_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "state.pt").write_bytes(encode_state(STATE))
    state = read_state(tmp_path / "state.pt")
    assert state["step"] == 3
    assert torch.equal(state["method"]["weight"], STATE["method"]["weight"])


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    content = bytes(encode_state(STATE))
    path = tmp_path / "state.pt"
    rng = random.Random(0)
    positions = [rng.randrange(len(content)) for _ in range(200)] + list(range(len(content) - 90, len(content)))
    for position in positions:
        damaged = bytearray(content)
        damaged[position] ^= 1 << rng.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(RunError, match="is damaged"):
            read_state(path)


def test_every_truncation_is_noticed(tmp_path: Path) -> None:
    content = bytes(encode_state(STATE))
    path = tmp_path / "state.pt"
    for length in (0, 1, 4, 100, len(content) // 2, len(content) - 84, len(content) - 1):
        path.write_bytes(content[:length])
        with pytest.raises(RunError, match=r"is damaged|empty"):
            read_state(path)


def test_a_state_without_a_checksum_is_read_and_its_parts_are_verified(tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    torch.save(STATE, path)
    assert read_state(path)["step"] == 3
    content = bytearray(path.read_bytes())
    start = content.index(torch.arange(300.0).numpy().tobytes())
    content[start + 40] ^= 1
    path.write_bytes(content)
    with pytest.raises(RunError, match=r"the checksum of .* is wrong"):
        read_state(path)


@pytest.mark.parametrize("content", [[1], {"weights": 1}, {"step": "3"}, {"step": None}])
def test_a_file_that_holds_no_state_is_an_error(content: object, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    (tmp_path / "state.pt").write_bytes(buffer.getvalue())
    with pytest.raises(RunError, match="holds no training state"):
        read_state(tmp_path / "state.pt")


def test_a_zip_file_that_is_no_state_is_an_error(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "state.pt", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(RunError, match="is damaged"):
        read_state(tmp_path / "state.pt")


@pytest.mark.parametrize("content", [b"", b"cut off"])
def test_the_state_before_a_damaged_one_is_used_and_named(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = Run(tmp_path)
    for step in (1, 2):
        run.save_state({"step": step})
    (tmp_path / "state.pt").write_bytes(content)
    assert run.load_state() == {"step": 1}
    (message,) = caplog.messages
    assert f"{tmp_path / 'state.pt'} is damaged" in message
    assert f"{tmp_path / 'state.previous.pt'} is used, of step 1." in message


def test_if_all_states_are_damaged_the_error_names_all(tmp_path: Path) -> None:
    for name in ("state.pt", "state.previous.pt"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(RunError, match=r"state\.pt is damaged.*state\.previous\.pt is damaged"):
        Run(tmp_path).load_state()
