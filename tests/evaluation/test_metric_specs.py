import pytest

from i2i.errors import UsageError
from i2i.evaluation import METRICS, parse_thresholds


def test_a_threshold_fails_on_its_side_and_for_nan() -> None:
    under, over = parse_thresholds(["psnr=24"], ["fid=80"])
    assert [under.fails(value) for value in (23.9, 24.0, 25.0)] == [True, False, False]
    assert [over.fails(value) for value in (80.1, 80.0, 1.0)] == [True, False, False]
    assert under.fails(float("nan"))
    assert over.fails(float("nan"))


@pytest.mark.parametrize("text", ["psnr", "psnr=", "psnr=nan", "speed=3", "=3"])
def test_a_malformed_threshold_is_refused_naming_the_metrics(text: str) -> None:
    message = r"is no threshold; it must be like psnr=24, with one of fid, kid, is, lpips, psnr"
    with pytest.raises(UsageError, match=message):
        parse_thresholds([text], [])


def test_a_threshold_on_the_side_of_better_values_is_refused() -> None:
    with pytest.raises(UsageError, match="FID is better when lower: use --fail-over fid=80"):
        parse_thresholds(["fid=80"], [])
    with pytest.raises(UsageError, match="PSNR is better when higher: use --fail-under psnr=24"):
        parse_thresholds([], ["psnr=24"])


def test_values_are_formatted_in_the_displayed_unit() -> None:
    assert METRICS["kid"].format(0.0124) == "12.40"
    assert METRICS["kid"].format(-0.0124) == "−12.40"
    assert METRICS["kid"].format(-0.000001) == "0.00"
    assert METRICS["lpips"].format(0.1234) == "0.123"
