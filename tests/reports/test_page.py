import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from i2i import reports
from i2i.checkpoints.run import Bundle, load_bundle, save_bundle
from i2i.errors import I2IError, UsageError
from i2i.evaluation import COLUMNS, Evaluation, Options, evaluate
from i2i.evaluation.metric_suite import Measured
from i2i.evaluation.models import Setting
from i2i.evaluation.table import Row, fill
from i2i.reports.charts import Line, intervals, lines, number, ticks_of
from i2i.reports.embed import embedded
from i2i.reports.training_history import course, training
from tests.evaluation.conftest import quick_networks, trained
from tests.training.test_trainer import start

__all__ = ["quick_networks", "trained"]


def judged(*models: str, **asked: Any) -> Evaluation:
    return evaluate(Options(models=models, setting=Setting("cpu"), gallery=True, **asked))


def test_the_page_holds_all_it_needs(trained: Callable[..., Any]) -> None:
    trained(evaluate_every=1, keep_best="kid")
    page = reports.page(judged("run"))
    assert not re.search(r"https?:|<script|<link|@import|url\(", page)
    assert page.count("data:image/png") == 2 * (4 * 2 + 2 * 4 * 2)  # of two directions: random ones, best and worst
    assert "A to B" in page
    assert "B to A" in page
    assert "KID ×10⁻³ on test pictures" in page
    assert "Generator" in page
    assert "real pictures of the train split" in page


def test_it_says_which_numbers_can_be_compared(unpaired: Path) -> None:
    found = judged("identity", data=str(unpaired))
    page = reports.page(found)
    assert found.sections[0].protocol.fingerprint() in page
    assert found.sections[0].protocol.network_hash in page
    assert "The Inception Score is left out" in page


def test_pairs_are_shown_with_their_truth_and_the_numbers_of_each(
    paired: Path, changes: Callable[..., dict[str, Any]]
) -> None:
    start("pix2pix", changes(paired, steps=1), "pairs").train()
    page = reports.page(judged("pairs"))
    assert "alt='000, truth'" in page or 'alt="000, truth"' in page
    assert page.count("data:image/png") == 4 * 3 + 2 * 4 * 3
    assert "Every picture: pairs" in page
    assert "input, output, truth" in page


def test_names_that_strangers_chose_are_text_and_nothing_else(trained: Callable[..., Any], tmp_path: Path) -> None:
    run = trained().run.path
    bundle = load_bundle(run / "weights.safetensors")
    evil = tmp_path / "<script>alert(1)<"
    evil.mkdir()
    save_bundle(evil / "b.safetensors", Bundle({**bundle.header, "best": {"metric": "<img src=x>"}}, bundle.tensors))
    page = reports.page(judged(str(evil / "b.safetensors")))
    assert "<script" not in page
    assert "<img src=x" not in page.lower()


def test_what_the_doctor_said_is_told_and_a_calm_run_is_said_to_be_calm(tmp_path: Path) -> None:
    rows = [{"step": 20, "lr": 0.1, "G/adversarial": 1.0}, {"step": 40, "lr": 0.1, "G/adversarial": 0.5}]
    log = tmp_path / "log.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "had nothing to say" in training("run", tmp_path, None)
    said = {"step": 30, "alarm": "black", "sentence": "A to B: the output is <black>; use --norm instance."}
    back = {"step": 35, "setback": "G was not finite in step 36; back to step 30."}
    log.write_text("".join(json.dumps(row) + "\n" for row in [*rows, said, back]))
    told = training("run", tmp_path, None)
    assert "Step 30</b> A to B: the output is &lt;black&gt;; use --norm instance." in told
    assert "Step 35</b> G was not finite" in told
    assert course(tmp_path).losses["G"]["adversarial"] == [(20, 1.0), (40, 0.5)]


def test_evaluations_of_a_training_are_plotted_with_the_best_marked(tmp_path: Path) -> None:
    rows = [{"step": 100, "AtoB/kid": 0.02, "A to B/change": 9.0}, {"step": 200, "AtoB/kid": 0.01}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = training("run", tmp_path, {"metric": "kid", "steps": 200})
    assert told.count("<circle") == 2
    assert told.count('class="c1 best"') == 1
    assert "AtoB, step 200: 10 (the best)" in told
    assert list(course(tmp_path).measures) == ["kid"]  # the doctor's signs are no measures


def test_a_run_without_a_log_has_nothing_to_show(tmp_path: Path) -> None:
    assert training("run", tmp_path, None) == ""


def test_values_that_are_not_finite_leave_a_gap_and_no_nan() -> None:
    plot = lines("Loss", [Line("a", [(1, 1.0), (2, float("nan")), (3, float("inf")), (4, 2.0)])])
    assert "nan" not in plot
    assert "inf" not in plot.replace("info", "")
    assert lines("Loss", [Line("a", [(1, float("nan"))])]) == ""
    assert "<path" in lines("Loss", [Line("a", [(1, 0.0)])])


def test_a_long_curve_is_drawn_by_its_means() -> None:
    plot = lines("Loss", [Line("a", [(x, float(x % 2)) for x in range(10_000)])])
    assert plot.count("L") < 300


def test_intervals_put_every_row_on_one_scale() -> None:
    rng = np.random.default_rng(0)
    real = rng.standard_normal((20, 3)).astype(np.float32)
    rows = [fill(Row(title, "model"), Measured(real + shift), real, 0) for title, shift in (("near", 0.1), ("far", 9))]
    drawn = intervals(rows, COLUMNS["kid"])
    places = [float(place) for place in re.findall(r'class="dot" style="left:([\d.]+)%', drawn)]
    assert 0 <= places[0] < places[1] <= 100
    assert "less is better" in drawn


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 600, [0, 200, 400, 600]),
        (5, 5, [5, 6]),
        (-3, 7, [-4, -2, 0, 2, 4, 6, 8]),
    ],
)
def test_ticks_are_round_and_enclose_the_values(low: float, high: float, ticks: list[float]) -> None:
    assert ticks_of(low, high)[0] <= low
    assert ticks_of(low, high)[-1] >= high
    if len(ticks) > 2:
        assert ticks_of(low, high) == pytest.approx(ticks)


def test_numbers_are_short() -> None:
    assert [number(value) for value in (0.05, 1.0, 20_000, -3.0)] == ["0.05", "1", "20k", "−3"]


def test_small_pictures_are_kept_exactly_and_large_ones_reduced() -> None:
    small, large = (Image.effect_noise((side, side), 60).convert("RGB") for side in (64, 1200))
    assert "image/png" in embedded(small, "x")
    told = embedded(large, 'a "picture"')
    assert "image/webp" in told
    assert 'width="1200"' in told
    assert len(told) < 300_000
    assert 'alt="a &quot;picture&quot;"' in told


def test_a_report_is_replaced_by_another_and_nothing_else_ever(unpaired: Path, tmp_path: Path) -> None:
    found = judged("identity", data=str(unpaired))
    path = tmp_path / "new" / "report.html"
    for _ in range(2):
        reports.write(found, path)
    assert path.read_text().startswith("<!doctype html>")
    mine = tmp_path / "mine.html"
    mine.write_text("<p>mine")
    with pytest.raises(UsageError, match="is there already and is no report of i2i"):
        reports.write(found, mine)
    assert mine.read_text() == "<p>mine"
    with pytest.raises(UsageError, match="must be a page's name"):
        reports.check(tmp_path / "report.txt")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        reports.check(tmp_path / "folder.html")
    with pytest.raises(I2IError, match="could not be written"):
        reports.write(found, mine / "below.html")
