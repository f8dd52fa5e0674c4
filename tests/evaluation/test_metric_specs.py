import pytest

from i2i.errors import UsageError
from i2i.evaluation import COLUMNS, limits


def test_a_limit_is_broken_on_its_side_and_by_what_is_no_number() -> None:
    under, over = limits(["psnr=24"], ["fid=80"])
    assert [under.broken_by(value) for value in (23.9, 24.0, 25.0)] == [True, False, False]
    assert [over.broken_by(value) for value in (80.1, 80.0, 1.0)] == [True, False, False]
    assert under.broken_by(float("nan"))
    assert over.broken_by(float("nan"))


@pytest.mark.parametrize("word", ["psnr", "psnr=", "psnr=nan", "speed=3", "=3"])
def test_a_word_that_is_no_limit_is_refused_with_the_measures_there_are(word: str) -> None:
    with pytest.raises(UsageError, match=r"is no limit; it must be such as psnr=24, of fid, kid, is, lpips, psnr"):
        limits([word], [])


def test_a_limit_on_the_wrong_side_is_refused_with_the_right_one() -> None:
    with pytest.raises(UsageError, match="Of FID less is better: --fail-over fid=80 is what holds a limit"):
        limits(["fid=80"], [])
    with pytest.raises(UsageError, match="Of PSNR more is better: --fail-under psnr=24"):
        limits([], ["psnr=24"])


def test_numbers_are_told_in_the_unit_that_people_read() -> None:
    assert COLUMNS["kid"].text(0.0124) == "12.40"
    assert COLUMNS["kid"].text(-0.0124) == "−12.40"
    assert COLUMNS["kid"].text(-0.000001) == "0.00"
    assert COLUMNS["lpips"].text(0.1234) == "0.123"
