import sqlite3
from pathlib import Path

import pytest

from i2i.errors import UsageError
from i2i.evaluate.votes import Tally, read_votes

Vote = tuple[str, str, str, str, str]  # session, model_a, model_b, truth, answer


def write(path: Path, votes: list[Vote]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with sqlite3.connect(path) as base:
        base.execute(
            "CREATE TABLE votes(time TEXT, session TEXT, kind TEXT, model_a TEXT, model_b TEXT, picture TEXT, "
            "truth TEXT, answer TEXT, seconds REAL)"
        )
        for index, (session, one, other, truth, answer) in enumerate(votes):
            row = (f"2026-01-01T00:00:{index:02}", session, "", one, other, "p", truth, answer, 1.0)
            base.execute("INSERT INTO votes VALUES(?,?,?,?,?,?,?,?,?)", row)
    base.close()
    return path


def test_translations_taken_for_real_are_counted_beside_real_pictures_taken_so(tmp_path: Path) -> None:
    votes = [("x", "run", "", "translated", "real"), ("x", "run", "", "translated", "translated"),
             ("y", "run", "", "translated", "real"), ("y", "run", "", "real", "translated")]  # fmt: skip
    found, real = read_votes(write(tmp_path / "v.sqlite", votes), ["run"])
    assert found == Tally("run", "", 2, 3, 2)
    assert real == Tally("real pictures", "", 0, 1, 1)
    assert real.text().startswith("real pictures were taken for real in 0 of 1 votes by 1 people: 0% [")
    assert found.text().startswith("run was taken for real in 2 of 3 votes by 2 people: 67% [")


def test_preferences_are_counted_for_the_first_of_the_two(tmp_path: Path) -> None:
    votes = [("x", "a", "b", "", "a"), ("x", "a", "b", "", "b"), ("y", "a", "b", "", "a"), ("y", "a", "b", "", "")]
    (found,) = read_votes(write(tmp_path / "v.sqlite", votes), ["b"])
    assert found == Tally("a", "b", 2, 3, 2)
    assert "a was preferred to b in 2 of 3 votes" in found.text()


def test_votes_on_other_models_are_left_out(tmp_path: Path) -> None:
    votes = [("x", "other", "", "translated", "real"), ("x", "other", "", "real", "real")]
    path = write(tmp_path / "v.sqlite", votes)
    assert read_votes(path, ["run"]) == []


def test_the_usual_file_is_read_where_it_is_there() -> None:
    assert read_votes(None, ["run"]) == []
    write(Path("checkpoints/votes.sqlite"), [("x", "run", "", "translated", "real")])
    assert read_votes(None, ["run"]) == [Tally("run", "", 1, 1, 1)]


def test_a_file_that_is_missing_or_holds_no_votes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.sqlite does not exist"):
        read_votes(tmp_path / "none.sqlite", ["run"])
    (tmp_path / "text").write_text("x" * 4096)
    with pytest.raises(UsageError, match="holds no votes"):
        read_votes(tmp_path / "text", ["run"])
    with sqlite3.connect(tmp_path / "empty.sqlite") as base:
        base.execute("CREATE TABLE other(x)")
    base.close()
    with pytest.raises(UsageError, match="holds no votes of the demo's Judge tab: no such table"):
        read_votes(tmp_path / "empty.sqlite", ["run"])


@pytest.mark.parametrize(
    ("for_it", "votes", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)]
)
def test_the_interval_is_that_of_wilson(for_it: int, votes: int, low: float, high: float) -> None:
    assert Tally("run", "", for_it, votes, 1).interval() == pytest.approx((low, high), abs=1e-4)
