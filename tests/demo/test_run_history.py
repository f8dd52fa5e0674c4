import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from i2i.checkpoints.run import Bundle, save_bundle
from i2i.demo import run_history
from i2i.demo.run_history import Checkpoint, Frame
from i2i.errors import PictureError


def drawn(run: Path, *steps: int) -> list[Frame]:
    (run / "samples").mkdir(parents=True, exist_ok=True)
    for step in steps:
        Image.new("RGB", (8, 8)).save(run / "samples" / f"{step:07}.png")
    return run_history.frames(run)


def logged(run: Path, *rows: dict[str, Any], torn: str = "") -> None:
    run.mkdir(exist_ok=True)
    (run / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + torn)


def loss(step: int) -> dict[str, Any]:
    return {"step": step, "lr": 1e-4, "G/adversarial": 1.0 / step, "D/adversarial": 0.5}


def test_samples_come_in_the_order_of_their_steps_and_nothing_else_is_one(tmp_path: Path) -> None:
    drawn(tmp_path, 1, 10_000_000, 500)
    for other in ("note.png", "0000007.jpg", ".0000009.png.12-3.part", "²3.png"):
        (tmp_path / "samples" / other).write_bytes(b"x")
    assert [frame.step for frame in run_history.frames(tmp_path)] == [1, 500, 10_000_000]
    assert run_history.frames(tmp_path / "none") == []


@pytest.mark.parametrize(("step", "shown"), [(0, 1), (260, 200), (300, 400), (400, 400), (10_000, 400)])
def test_the_slider_shows_what_is_nearest(tmp_path: Path, step: int, shown: int) -> None:
    assert run_history.nearest(drawn(tmp_path, 1, 200, 400), step).step == shown


@pytest.mark.parametrize(
    ("steps", "end", "gap"),
    [((1, 100, 200, 300), 300, 100), ((1, 500, 1000, 1047), 1500, 500), ((1,), 1, 1), ((1, 2), 2, 2), ((0,), 1, 1)],
)
def test_the_slider_moves_from_one_sample_to_the_next(
    tmp_path: Path, steps: tuple[int, ...], end: int, gap: int
) -> None:
    found = drawn(tmp_path, *steps)
    assert run_history.ruler(found) == (end, gap)
    assert {run_history.nearest(found, place).step for place in range(0, end + 1, gap)} == set(steps)


def test_the_buttons_reach_every_sample_and_stop_at_the_ends(tmp_path: Path) -> None:
    found = drawn(tmp_path, 1, 500, 1000, 1047)
    assert [run_history.neighbour(found, 1, by) for by in (-1, 0, 1, 2, 3, 9)] == [1, 1, 500, 1000, 1047, 1047]


def test_a_sample_is_shown_with_words_for_those_who_cannot_see_it(tmp_path: Path) -> None:
    (frame,) = drawn(tmp_path, 12_000)
    shown = run_history.picture(frame, "<run>")
    assert 'alt="Samples of &lt;run&gt; after 12,000 steps' in shown
    assert "data:image/png;base64," in shown
    frame.path.write_bytes(b"<svg onload=alert(1)>")
    with pytest.raises(PictureError, match="step 12000 are damaged"):
        run_history.picture(frame, "run")
    frame.path.unlink()
    with pytest.raises(PictureError, match="does not exist"):
        run_history.picture(frame, "run")


@pytest.mark.parametrize("torn", ["", '{"step": 60, "lr"', "{", "\0\0\0"])
def test_a_log_whose_last_line_is_still_being_written_is_read_up_to_it(tmp_path: Path, torn: str) -> None:
    logged(tmp_path, loss(20), loss(40), torn=torn)
    assert run_history.state(tmp_path, {"steps": 0, "total_steps": 100}).step == 40
    assert run_history.charts(tmp_path, None).count("<svg") == 2


def test_alarms_are_told_and_marked_on_every_curve(tmp_path: Path) -> None:
    alarm = {"step": 30, "alarm": "inverted", "sentence": "light & dark are swapped."}
    logged(tmp_path, loss(20), alarm, loss(40), {"step": 40, "AtoB/kid": 0.2})
    shown = run_history.charts(tmp_path, None, at=20)
    assert shown.count('class="event"') == shown.count("<svg") == shown.count('class="at"') == 3
    assert "Step 30: light &amp; dark are swapped." in shown
    assert "<li><b>Step 30</b> light &amp; dark" in shown


def test_a_run_without_a_log_says_so(tmp_path: Path) -> None:
    assert "There is no log of this training" in run_history.charts(tmp_path, None)


@pytest.mark.parametrize(
    ("step", "age", "says"),
    [
        (40, 5, "Training: step 40 of 100. This page follows by itself."),
        (40, 1000, "Stopped at step 40 of 100."),
        (100, 5, "Trained to its end, 100 steps."),
    ],
)
def test_how_far_a_run_is_is_told_by_what_it_wrote_and_when(tmp_path: Path, step: int, age: float, says: str) -> None:
    logged(tmp_path, loss(20), loss(step))
    heard = (tmp_path / "log.jsonl").stat().st_mtime
    found = run_history.state(tmp_path, {"steps": 20, "total_steps": 100}, now=heard + age)
    assert found.text().startswith(says)


def test_a_model_that_came_without_its_training_is_no_training(tmp_path: Path) -> None:
    found = run_history.state(tmp_path, {"steps": 100, "total_steps": 100})
    assert (found.running, found.text()) == (False, "Trained to its end, 100 steps.")


def saved(path: Path, step: int, **more: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_bundle(path, Bundle({"steps": step, **more}, {}))


def test_the_checkpoints_of_a_run_are_named_as_every_command_takes_them(tmp_path: Path) -> None:
    saved(tmp_path / "weights.safetensors", 400)
    saved(tmp_path / "best.safetensors", 250, best={"metric": "kid", "value": 0.12345})
    saved(tmp_path / "snapshots/0000300.safetensors", 300)
    saved(tmp_path / "snapshots/0000100.safetensors", 100)
    (tmp_path / "snapshots/0000200.safetensors").write_bytes(b"torn")
    found = run_history.checkpoints("run", tmp_path)
    assert [(each.name, each.step, each.says) for each in found] == [
        ("run/snapshots/0000100", 100, ""),
        ("run/best", 250, "the best by KID 0.1235"),
        ("run/snapshots/0000300", 300, ""),
        ("run", 400, "the last"),
    ]
    assert run_history.choice(found) == "This run kept 4 checkpoints."


def test_a_run_that_kept_only_its_last_says_so_and_how_to_keep_more(tmp_path: Path) -> None:
    saved(tmp_path / "weights.safetensors", 400)
    assert run_history.choice(run_history.checkpoints("run", tmp_path)).startswith(
        "This run kept only its last weights"
    )
    saved(tmp_path / "best.safetensors", 250)
    said = run_history.choice(run_history.checkpoints("run", tmp_path))
    assert said.startswith("This run kept only its last and its best weights")
    assert "--snapshot-every" in said


def test_of_many_checkpoints_some_are_tried_the_best_and_the_last_among_them() -> None:
    found = [Checkpoint(f"run/snapshots/{n}", n, "") for n in range(50)]
    found += [Checkpoint("run/best", 50, "the best"), Checkpoint("run", 51, "the last")]
    chosen = run_history.some(found)
    assert len(chosen) == run_history.MOST
    assert chosen[-2:] == found[-2:]
    assert chosen[0].step == 0
    assert "12 of them" in run_history.choice(found)
