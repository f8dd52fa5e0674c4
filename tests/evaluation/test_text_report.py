import shutil
from pathlib import Path

from i2i.evaluation.text_report import format_report
from tests.conftest import write_random_images
from tests.evaluation.conftest import evaluated


def test_few_images_have_no_interval_in_the_text(unpaired: Path) -> None:
    text = format_report(evaluated("identity", data=str(unpaired)))
    assert "0.0 ±–" in text
    assert "± is half" not in text
    assert "note: A to B: too few images for an interval: 4, at least 5 needed." in text


def test_copies_of_few_images_have_no_interval(unpaired: Path) -> None:
    for path in sorted((unpaired / "testA").iterdir()):
        shutil.copy(path, path.with_name(f"copy-{path.name}"))
    (result,) = evaluated("identity", data=str(unpaired)).directions
    assert {row.values["change"].interval for row in result.rows if row.kind == "model"} == {None}
    assert result.protocol.inputs == 8


def test_the_text_has_rows_with_intervals_and_the_fingerprint(unpaired: Path) -> None:
    for split in ("testA", "testB"):
        write_random_images(unpaired / split, 5, seed=len(split))
    evaluation = evaluated("identity", data=str(unpaired))
    text = format_report(evaluation)
    assert f"protocol {evaluation.directions[0].protocol.fingerprint()}" in text
    assert "unchanged input" in text
    assert "0.0 ±0.0" in text
    assert "note: The Inception Score is left out" in text
