import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from i2i.checkpoints.model_file import ModelFile, save_model_file
from i2i.checkpoints.model_info import BestMetric, ModelInfo
from i2i.demo import run_history
from i2i.demo.run_history import Checkpoint, SampleFrame
from i2i.errors import ImageError


def write_samples(run_folder: Path, *steps: int) -> list[SampleFrame]:
    (run_folder / "samples").mkdir(parents=True, exist_ok=True)
    for step in steps:
        Image.new("RGB", (8, 8)).save(run_folder / "samples" / f"{step:07}.png")
    return run_history.sample_frames(run_folder)


def write_log(run_folder: Path, *rows: dict[str, Any], torn: str = "") -> None:
    """Write a log; ``torn`` is an unfinished last line."""
    run_folder.mkdir(exist_ok=True)
    (run_folder / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + torn)


def info(steps: int, total_steps: int) -> ModelInfo:
    return ModelInfo(
        size=16,
        directions=("AtoB",),
        generator={"network": "resnet"},
        steps=steps,
        total_steps=total_steps,
    )


def loss_row(step: int) -> dict[str, Any]:
    return {"step": step, "lr": 1e-4, "G/adversarial": 1.0 / step, "D/adversarial": 0.5}


def test_samples_are_sorted_by_step_and_other_files_are_ignored(tmp_path: Path) -> None:
    write_samples(tmp_path, 1, 10_000_000, 500)
    for name in ("note.png", "0000007.jpg", ".0000009.png.12-3.part", "²3.png"):
        (tmp_path / "samples" / name).write_bytes(b"x")
    assert [frame.step for frame in run_history.sample_frames(tmp_path)] == [1, 500, 10_000_000]
    assert run_history.sample_frames(tmp_path / "none") == []


@pytest.mark.parametrize(("step", "nearest"), [(0, 1), (260, 200), (300, 400), (400, 400), (10_000, 400)])
def test_the_nearest_frame_is_shown(tmp_path: Path, step: int, nearest: int) -> None:
    assert run_history.nearest_frame(write_samples(tmp_path, 1, 200, 400), step).step == nearest


@pytest.mark.parametrize(
    ("steps", "end", "increment"),
    [((1, 100, 200, 300), 300, 100), ((1, 500, 1000, 1047), 1500, 500), ((1,), 1, 1), ((1, 2), 2, 2), ((0,), 1, 1)],
)
def test_the_slider_moves_from_one_frame_to_the_next(
    tmp_path: Path, steps: tuple[int, ...], end: int, increment: int
) -> None:
    frames = write_samples(tmp_path, *steps)
    assert run_history.slider_range(frames) == (end, increment)
    positions = range(0, end + 1, increment)
    assert {run_history.nearest_frame(frames, position).step for position in positions} == set(steps)


def test_neighbours_reach_every_frame_and_stop_at_the_ends(tmp_path: Path) -> None:
    frames = write_samples(tmp_path, 1, 500, 1000, 1047)
    neighbours = [run_history.neighbour_step(frames, 1, offset) for offset in (-1, 0, 1, 2, 3, 9)]
    assert neighbours == [1, 1, 500, 1000, 1047, 1047]


def test_a_sample_grid_has_an_escaped_alternative_text(tmp_path: Path) -> None:
    (frame,) = write_samples(tmp_path, 12_000)
    html = run_history.frame_html(frame, "<run>")
    assert 'alt="Samples of &lt;run&gt; after 12,000 steps' in html
    assert "data:image/png;base64," in html


def test_a_damaged_or_missing_sample_grid_is_reported(tmp_path: Path) -> None:
    (frame,) = write_samples(tmp_path, 12_000)
    frame.path.write_bytes(b"<svg onload=alert(1)>")
    with pytest.raises(ImageError, match="step 12000 are damaged"):
        run_history.frame_html(frame, "run")
    frame.path.unlink()
    with pytest.raises(ImageError, match="does not exist"):
        run_history.frame_html(frame, "run")


@pytest.mark.parametrize("torn", ["", '{"step": 60, "lr"', "{", "\0\0\0"])
def test_an_unfinished_last_line_of_the_log_is_ignored(tmp_path: Path, torn: str) -> None:
    write_log(tmp_path, loss_row(20), loss_row(40), torn=torn)
    assert run_history.training_state(tmp_path, info(0, 100)).step == 40
    assert run_history.charts_html(tmp_path, None).count("<svg") == 2


def test_alarms_are_listed_and_marked_on_every_curve(tmp_path: Path) -> None:
    alarm = {"step": 30, "alarm": "inverted", "message": "light & dark are swapped."}
    write_log(tmp_path, loss_row(20), alarm, loss_row(40), {"step": 40, "AtoB/kid": 0.2})
    html = run_history.charts_html(tmp_path, None, marked_step=20)
    assert html.count('class="event"') == html.count("<svg") == html.count('class="at"') == 3
    assert "Step 30: light &amp; dark are swapped." in html
    assert "<li><b>Step 30</b> light &amp; dark" in html


def test_a_run_without_a_log_has_a_note_instead_of_curves(tmp_path: Path) -> None:
    assert "This training has no log here" in run_history.charts_html(tmp_path, None)


@pytest.mark.parametrize(
    ("step", "age", "text"),
    [
        (40, 5, "Training: step 40 of 100. This page updates automatically."),
        (40, 1000, "Stopped at step 40 of 100."),
        (100, 5, "Finished: 100 steps."),
    ],
)
def test_the_state_depends_on_the_last_step_and_the_age_of_the_files(
    tmp_path: Path, step: int, age: float, text: str
) -> None:
    write_log(tmp_path, loss_row(20), loss_row(step))
    last_write = (tmp_path / "log.jsonl").stat().st_mtime
    state = run_history.training_state(tmp_path, info(20, 100), now=last_write + age)
    assert state.text().startswith(text)


def test_a_model_without_its_log_is_not_running(tmp_path: Path) -> None:
    state = run_history.training_state(tmp_path, info(100, 100))
    assert (state.running, state.text()) == (False, "Finished: 100 steps.")


def write_checkpoint(path: Path, step: int, best: BestMetric | None = None) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_model_file(path, ModelFile(replace(info(step, 400), best=best), {}))


def test_checkpoints_have_the_names_that_every_command_accepts(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "weights.safetensors", 400)
    write_checkpoint(tmp_path / "best.safetensors", 250, best=BestMetric("kid", 0.12345, 250, "test", (4, 4)))
    write_checkpoint(tmp_path / "snapshots/0000300.safetensors", 300)
    write_checkpoint(tmp_path / "snapshots/0000100.safetensors", 100)
    (tmp_path / "snapshots/0000200.safetensors").write_bytes(b"torn")
    checkpoints = run_history.checkpoints("run", tmp_path)
    assert [(checkpoint.name, checkpoint.step, checkpoint.label) for checkpoint in checkpoints] == [
        ("run/snapshots/0000100", 100, ""),
        ("run/best", 250, "the best by KID 0.1235"),
        ("run/snapshots/0000300", 300, ""),
        ("run", 400, "the last"),
    ]
    assert run_history.checkpoint_summary(checkpoints) == "This run kept 4 checkpoints."


def test_the_summary_of_a_run_without_snapshots_names_the_flag_that_keeps_them(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "weights.safetensors", 400)
    summary = run_history.checkpoint_summary(run_history.checkpoints("run", tmp_path))
    assert summary.startswith("This run kept only its last weights")
    write_checkpoint(tmp_path / "best.safetensors", 250)
    summary = run_history.checkpoint_summary(run_history.checkpoints("run", tmp_path))
    assert summary.startswith("This run kept only its last and its best weights")
    assert "--snapshot-every" in summary


def test_of_many_checkpoints_the_best_the_last_and_evenly_spaced_ones_are_selected() -> None:
    checkpoints = [Checkpoint(f"run/snapshots/{step}", step, "") for step in range(50)]
    checkpoints += [Checkpoint("run/best", 50, "the best"), Checkpoint("run", 51, "the last")]
    selected = run_history.select_evenly(checkpoints)
    assert len(selected) == run_history.MAX_CHECKPOINTS_TO_TRY
    assert selected[-2:] == checkpoints[-2:]
    assert selected[0].step == 0
    assert "12 of them" in run_history.checkpoint_summary(checkpoints)
