import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from i2i import reports
from i2i.checkpoints.model_file import ModelFile, load_model_file, save_model_file
from i2i.checkpoints.model_info import BestMetric
from i2i.errors import I2IError, UsageError
from i2i.evaluation.evaluate import Evaluation, evaluate
from i2i.evaluation.options import EvaluationOptions
from i2i.inference.options import InferenceOptions
from i2i.reports.training_history import read_history, run_html
from tests.conftest import write_random_images
from tests.evaluation.conftest import quick_networks, trained
from tests.recipes.test_label_maps import trainer_of, write_pairs
from tests.training.test_trainer import start

__all__ = ["quick_networks", "trained"]


def evaluated(*models: str, **options: Any) -> Evaluation:
    return evaluate(EvaluationOptions(models=models, inference=InferenceOptions("cpu"), gallery=True, **options))


def write_log(run: Path, rows: list[dict[str, Any]]) -> None:
    (run / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_the_page_needs_no_other_file(trained: Callable[..., Any]) -> None:
    trained(eval_every=1, best_metric="kid")
    page = reports.render_page(evaluated("run"))
    assert not re.search(r"https?:|<script|<link|@import|url\(", page)
    assert page.count("data:image/png") == 2 * (4 * 2 + 2 * 4 * 2)  # per direction: random examples, best and worst
    assert "A to B" in page
    assert "B to A" in page
    assert "KID ×10⁻³ on test images" in page
    assert "Generator losses" in page
    assert "real images of the train split" in page


def test_the_page_shows_the_protocol(unpaired: Path) -> None:
    evaluation = evaluated("identity", data=str(unpaired))
    page = reports.render_page(evaluation)
    assert evaluation.directions[0].protocol.fingerprint() in page
    assert evaluation.directions[0].protocol.network_hash in page
    assert "The Inception Score is left out" in page


def test_intervals_of_a_comparison_are_kept_on_one_line(trained: Callable[..., Any], unpaired: Path) -> None:
    for split in ("testA", "testB"):
        write_random_images(unpaired / split, 5, seed=9)
    trained()
    page = reports.render_page(evaluated("run"))
    assert "In brackets: 95" in page
    assert re.search(r'<span class="whole">\[.*\] ×10⁻³</span>', page)


def test_paired_data_are_shown_with_targets_and_the_metrics_of_each_image(
    paired: Path, changes: Callable[..., dict[str, Any]]
) -> None:
    start("pix2pix", changes(paired, steps=1), "pairs").train()
    page = reports.render_page(evaluated("pairs"))
    assert 'alt="000, target"' in page
    assert page.count("data:image/png") == 4 * 3 + 2 * 4 * 3
    assert "All images: pairs" in page
    assert "input, output, target" in page


def test_names_in_model_files_are_escaped(trained: Callable[..., Any], tmp_path: Path) -> None:
    run = trained().run.path
    model_file = load_model_file(run / "weights.safetensors")
    folder = tmp_path / "<script>alert(1)<"
    folder.mkdir()
    info = replace(model_file.info, best=BestMetric("<img src=x>", 0.5, 1, "test", (4, 4)))
    save_model_file(folder / "b.safetensors", ModelFile(info, model_file.tensors))
    page = reports.render_page(evaluated(str(folder / "b.safetensors")))
    assert "<script" not in page
    assert "<img src=x" not in page.lower()


def test_alarms_and_rollbacks_are_listed(tmp_path: Path) -> None:
    losses = [{"step": 20, "lr": 0.1, "G/adversarial": 1.0}, {"step": 40, "lr": 0.1, "G/adversarial": 0.5}]
    write_log(tmp_path, losses)
    assert "raised no alarm" in run_html("run", tmp_path, None)
    alarm = {"step": 30, "alarm": "black", "message": "A to B: the output is <black>; use --norm instance."}
    rollback = {"step": 35, "rollback": "G was not finite in step 36; back to step 30."}
    write_log(tmp_path, [*losses, alarm, rollback])
    html = run_html("run", tmp_path, None)
    assert "Step 30</b> A to B: the output is &lt;black&gt;; use --norm instance." in html
    assert "Step 35</b> G was not finite" in html
    assert read_history(tmp_path).losses["G"]["adversarial"] == [(20, 1.0), (40, 0.5)]


def test_validation_metrics_are_charted_with_the_best_step_highlighted(tmp_path: Path) -> None:
    write_log(tmp_path, [{"step": 100, "AtoB/kid": 0.02, "A to B/change": 9.0}, {"step": 200, "AtoB/kid": 0.01}])
    html = run_html("run", tmp_path, BestMetric("kid", 0.01, 200, "test", (4, 4)))
    assert html.count("<circle") == 2
    assert html.count('class="c1 best"') == 1
    assert "AtoB, step 200: 10 (the best)" in html
    assert list(read_history(tmp_path).metrics) == ["kid"]  # health metrics are left out


def test_a_run_without_a_log_gives_nothing(tmp_path: Path) -> None:
    assert run_html("run", tmp_path, None) == ""


def test_only_another_report_is_overwritten(unpaired: Path, tmp_path: Path) -> None:
    evaluation = evaluated("identity", data=str(unpaired))
    path = tmp_path / "new" / "report.html"
    for _ in range(2):
        reports.write(evaluation, path)
    assert path.read_text().startswith("<!doctype html>")
    other_page = tmp_path / "other.html"
    other_page.write_text("<p>other")
    with pytest.raises(UsageError, match="exists already and is no report of i2i"):
        reports.write(evaluation, other_page)
    assert other_page.read_text() == "<p>other"
    with pytest.raises(UsageError, match="must name a page"):
        reports.check_path(tmp_path / "report.txt")
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        reports.check_path(tmp_path / "folder.html")
    with pytest.raises(I2IError, match="could not be written"):
        reports.write(evaluation, other_page / "below.html")


def test_label_maps_are_in_the_colours_of_their_classes(quick_networks: None, work_dir: Path) -> None:
    trainer_of("regression", write_pairs(work_dir / "datasets" / "maps")).train()
    page = reports.render_page(evaluated("run"))
    assert "input (in the colours of the classes)" in page
    assert "255, ignored" in page
    assert "#3c6ec8" in page
