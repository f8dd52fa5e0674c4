from pathlib import Path

from i2i.evaluation.text_report import format_report
from tests.evaluation.conftest import evaluated


def test_the_text_has_rows_with_intervals_and_the_fingerprint(unpaired: Path) -> None:
    evaluation = evaluated("identity", data=str(unpaired))
    text = format_report(evaluation)
    assert f"protocol {evaluation.directions[0].protocol.fingerprint()}" in text
    assert "unchanged input" in text
    assert "0.0 ±0.0" in text
    assert "note: The Inception Score is left out" in text
