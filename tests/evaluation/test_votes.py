import csv
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from i2i.errors import I2IError, UsageError
from i2i.evaluation.votes import COLUMNS, REAL, TRANSLATED, Tally, Vote, add_vote, read_votes, votes_csv

ShortVote = tuple[str, str, str, str, str]  # session, model_a, model_b, truth, answer


def write_votes(path: Path, votes: list[ShortVote]) -> Path:
    for index, (session, model_a, model_b, truth, answer) in enumerate(votes):
        add_vote(path, vote(time=f"2026-01-01T00:00:{index:02}", session=session, model_a=model_a, model_b=model_b,
                            truth=truth, answer=answer))  # fmt: skip
    return path


def vote(**changes: Any) -> Vote:
    defaults = {"time": "2026-01-01T00:00:00", "session": "x", "kind": "pair", "model_a": "run", "model_b": "",
             "direction": "AtoB", "exposure": 1.0, "picture": "p", "truth": TRANSLATED, "answer": REAL,
             "seconds": 1.0}  # fmt: skip
    return Vote(**{**defaults, **changes})


def test_translations_taken_for_real_are_wins(tmp_path: Path) -> None:
    votes = [("x", "run", "", TRANSLATED, REAL), ("x", "run", "", TRANSLATED, TRANSLATED),
             ("y", "run", "", TRANSLATED, REAL)]  # fmt: skip
    (tally,) = read_votes(write_votes(tmp_path / "v.sqlite", votes), ["run"])
    assert tally == Tally("run", "", 2, 3, 2)
    assert tally.describe().startswith(
        "run (A to B) was taken for the real one of a pair, shown for 1 s, in 2 of 3 votes by 2 people: 67% ("
    )


def test_directions_and_exposures_have_their_own_tallies(tmp_path: Path) -> None:
    path = tmp_path / "v.sqlite"
    for changes in ({}, {"direction": "BtoA"}, {"exposure": 2.0}, {"exposure": None}, {"answer": TRANSLATED}):
        add_vote(path, vote(**changes))
    tallies = read_votes(path, ["run"])
    assert [(tally.direction, tally.exposure, tally.votes) for tally in tallies] == [
        ("AtoB", 1.0, 2), ("BtoA", 1.0, 1), ("AtoB", 2.0, 1), ("AtoB", None, 1)]  # fmt: skip
    assert "shown until the answer, in 1 of 1 votes by 1 person" in tallies[-1].describe()


def test_a_runs_name_includes_its_best_checkpoint(tmp_path: Path) -> None:
    write_votes(tmp_path / "v.sqlite", [("x", "run", "", TRANSLATED, REAL), ("x", "run/best", "", TRANSLATED, REAL)])
    assert [tally.model for tally in read_votes(tmp_path / "v.sqlite", ["run"])] == ["run", "run/best"]


def test_concurrent_votes_are_all_stored(tmp_path: Path) -> None:
    path = tmp_path / "new" / "v.sqlite"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda index: add_vote(path, vote(session=str(index))), range(40)))
    (tally,) = read_votes(path, ["run"])
    assert (tally.votes, tally.voters) == (40, 40)


def test_votes_are_exported_as_csv(tmp_path: Path) -> None:
    path = tmp_path / "v.sqlite"
    assert list(csv.reader(votes_csv(path).splitlines())) == [list(COLUMNS)]
    add_vote(path, vote(picture='odd, "name"', exposure=None))
    (row,) = csv.DictReader(votes_csv(path).splitlines())
    assert (row["picture"], row["exposure"], row["seconds"], row["answer"]) == ('odd, "name"', "", "1.0", REAL)


def test_a_vote_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(I2IError, match="could not be written"):
        add_vote(tmp_path / "file" / "v.sqlite", vote())


def test_preferences_are_wins_of_the_first_model(tmp_path: Path) -> None:
    votes = [("x", "a", "b", "", "a"), ("x", "a", "b", "", "b"), ("y", "a", "b", "", "a"), ("y", "a", "b", "", "")]
    (tally,) = read_votes(write_votes(tmp_path / "v.sqlite", votes), ["b"])
    assert tally == Tally("a", "b", 2, 3, 2)
    assert "a (A to B) was preferred to b, shown for 1 s, in 2 of 3 votes by 2 people" in tally.describe()


def test_votes_on_other_models_are_left_out(tmp_path: Path) -> None:
    votes = [("x", "other", "", TRANSLATED, REAL)]
    path = write_votes(tmp_path / "v.sqlite", votes)
    assert read_votes(path, ["run"]) == []


def test_the_default_file_is_read_if_it_exists() -> None:
    assert read_votes(None, ["run"]) == []
    write_votes(Path("checkpoints/votes.sqlite"), [("x", "run", "", TRANSLATED, REAL)])
    assert read_votes(None, ["run"]) == [Tally("run", "", 1, 1, 1)]


def test_a_file_that_is_missing_or_without_votes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.sqlite does not exist"):
        read_votes(tmp_path / "none.sqlite", ["run"])
    (tmp_path / "text").write_text("x" * 4096)
    with pytest.raises(UsageError, match="holds no votes"):
        read_votes(tmp_path / "text", ["run"])
    with sqlite3.connect(tmp_path / "empty.sqlite") as connection:
        connection.execute("CREATE TABLE other(x)")
    connection.close()
    with pytest.raises(UsageError, match="holds no votes of the demo's blind test: no such table"):
        read_votes(tmp_path / "empty.sqlite", ["run"])


@pytest.mark.parametrize(
    ("wins", "votes", "low", "high"), [(0, 10, 0.0, 0.2775), (5, 10, 0.2366, 0.7634), (10, 10, 0.7225, 1.0)]
)
def test_the_interval_is_that_of_wilson(wins: int, votes: int, low: float, high: float) -> None:
    assert Tally("run", "", wins, votes, 1).interval() == pytest.approx((low, high), abs=1e-4)


def test_fewer_than_five_votes_have_no_interval() -> None:
    tally = Tally("run", "", 4, 4, 1)
    assert tally.interval() is None
    assert tally.to_json()["interval"] is None
    assert tally.describe().endswith("100% (too few votes for an interval: 4, at least 5 needed)")
    assert Tally("run", "", 5, 5, 1).interval() is not None


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("exposure", "text"), ("exposure", b"\xff"), ("seconds", "text"), ("model_a", b"run"),
        ("answer", b""), ("session", b"x"), ("direction", "sideways"), ("direction", b"AtoB"),
    ],
)  # fmt: skip
def test_a_row_of_the_wrong_type_is_left_out_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, column: str, value: object
) -> None:
    path = tmp_path / "v.sqlite"
    for _ in range(2):
        add_vote(path, vote())
    with sqlite3.connect(path) as connection:
        connection.execute(f"UPDATE votes SET {column} = ? WHERE rowid = 1", (value,))
    (tally,) = read_votes(path, ["run"])
    assert tally.votes == 1
    assert "1 of 2 rows" in caplog.text
    assert votes_csv(path).count("\r\n") == 3


def test_rows_without_any_constraint_are_checked_too(tmp_path: Path) -> None:
    path = tmp_path / "v.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE votes({', '.join(COLUMNS)})")
        for value in (None, "text", 1, 2.5, b"\xff", float("inf")):
            connection.execute(f"INSERT INTO votes VALUES({', '.join('?' * len(COLUMNS))})", (value,) * len(COLUMNS))
    connection.close()
    assert read_votes(path, ["run", "text"]) == []
