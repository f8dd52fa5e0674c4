"""Hostile text files: settings, logs, manifests, records of downloads; and databases of votes."""

import json
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from i2i.checkpoints.inventory import best_result
from i2i.checkpoints.log import MetricsLog, read_log
from i2i.checkpoints.run import Run
from i2i.convert import convert_jobs, make_plan
from i2i.convert.records import MANIFEST_NAME
from i2i.data.download_log import DownloadLog
from i2i.data.partial_file import PartialFile
from i2i.data.saved_source import saved_source
from i2i.evaluation.votes import COLUMNS, add_vote, read_votes, votes_csv
from i2i.images import Writer
from i2i.recipes import recipe_from_json
from i2i.recipes.config_file import load_config_file
from i2i.reports.training_history import run_html
from tests.evaluation.test_votes import vote
from tests.faults.attack import Attack, Failure
from tests.faults.bounds import read_within_bounds, unexpected_files
from tests.faults.damage import damage
from tests.faults.hostile_model import HOSTILE_NUMBERS, HOSTILE_TEXTS, mutate
from tests.faults.operations import Shared, TrainOperation
from tests.images.in_process_reader import InProcessReader

DEEP = ("[" * 100_000, '{"a":' * 50_000 + "1" + "}" * 50_000)


class HostileRecord(Attack):
    """Reads hostile records as the commands and the demo do. The files of the user stay as they are."""

    name = "hostile-record"
    runs_in_child = True

    def __init__(self, folder: Path, shared: Shared) -> None:
        super().__init__(folder, shared)
        self.run_folder = shared.expected(TrainOperation(shared, "pix2pix")) / "checkpoints" / "run"
        self._convert(folder)
        self.attacks: dict[str, Callable[[random.Random, Path], Failure | None]] = {
            "config.json": self._config, "log.jsonl": self._log, MANIFEST_NAME: self._manifest,
            "set.zip.part.json": self._partial, "downloads.jsonl": self._downloads, "votes.sqlite": self._votes,
        }  # fmt: skip

    def round(self, index: int, rng: random.Random, folder: Path) -> Failure | None:
        name = list(self.attacks)[index % len(self.attacks)]
        self.fault = name
        failure = self.attacks[name](rng, folder) or unexpected_files(folder, "run", "in", "out")
        return failure and Failure(failure.verdict, failure.what, self.fault)

    def _note(self, change: str) -> None:
        self.fault += f": {change[:300]}"

    def _hostile_json(self, table: Any, rng: random.Random) -> bytes:
        """Return the text of a table with hostile changes."""
        kind = rng.random()
        if kind < 0.1:
            text = rng.choice((*DEEP, "1" * 4200, "[]", "null", '"x"', "", "\0", "{}", "[" + "1," * 100_000 + "1]"))
            self._note(f"{text[:20]!r}")
            return text.encode()
        if kind < 0.3:
            data, change = damage(json.dumps(table).encode(), rng)
            self._note(change)
            return data
        for _ in range(rng.choice((1, 1, 2, 4))):
            self._note(mutate(table, rng))
        try:
            return json.dumps(table).encode("utf-8", "surrogatepass")
        except RecursionError:
            return DEEP[0].encode()

    def _config(self, rng: random.Random, folder: Path) -> Failure | None:
        table = json.loads((self.run_folder / "config.json").read_text())
        if rng.random() < 0.8:
            table.pop("sha256", None)  # a hostile file would carry the right one
        run = Run(folder / "run")
        run.path.mkdir()
        path = run.path / "config.json"
        path.write_bytes(self._hostile_json(table, rng))
        return read_within_bounds(
            lambda: recipe_from_json(run.load_config()),
            lambda: load_config_file(path, "pix2pix"),
            lambda: saved_source(run.load_config(), run.path),
        )

    def _log(self, rng: random.Random, folder: Path) -> Failure | None:
        run = folder / "run"
        run.mkdir()
        lines = (self.run_folder / "log.jsonl").read_bytes().splitlines()
        for _ in range(rng.choice((1, 2, 5))):
            place = rng.randrange(len(lines))
            try:
                lines[place] = self._hostile_json(json.loads(lines[place]), rng)
            except ValueError:  # it is hostile already
                continue
        (run / "log.jsonl").write_bytes(b"\n".join(lines))
        return read_within_bounds(
            lambda: read_log(run), lambda: best_result(run), lambda: run_html("run", run, None),
            lambda: MetricsLog(run, 4).close(), lambda: read_log(run),
        )  # fmt: skip

    def _convert(self, folder: Path) -> None:
        sources = [path for path in (self.shared.folder / "photos").iterdir() if path.is_file()]
        plan = make_plan(sources, folder / "out", "png")
        convert_jobs(
            lambda image: image, plan, folder / "out", writer=Writer(suffix=".png"), reader=InProcessReader()
        )  # fmt: skip

    def _manifest(self, rng: random.Random, folder: Path) -> Failure | None:
        shutil.copytree(self.folder / "out", folder / "out")
        manifest = folder / "out" / MANIFEST_NAME
        lines = manifest.read_bytes().splitlines()
        lines.append(self._hostile_json(json.loads(rng.choice(lines)), rng))
        rng.shuffle(lines)
        manifest.write_bytes(b"\n".join(lines))
        own = folder / "out" / "mine.png"
        own.write_bytes(b"of the user")
        failure = read_within_bounds(lambda: self._convert(folder), lambda: self._convert(folder))
        if failure is None and own.read_bytes() != b"of the user":
            return Failure("lost", "a file of the user was overwritten")
        return failure

    def _partial(self, rng: random.Random, folder: Path) -> Failure | None:
        out = folder / "out"
        out.mkdir()
        table = {
            "url": "http://127.0.0.1/set.zip", "etag": '"one"', "last_modified": None, "length": 100,
        }  # fmt: skip
        (out / "set.zip.part").write_bytes(b"x" * 50)
        (out / "set.zip.part.json").write_bytes(self._hostile_json(table, rng))

        def read() -> None:
            with PartialFile(out / "set.zip") as part:
                version = part.version
                if version is not None:
                    version.validator.encode("latin-1") if version.validator else None
                    part.restart(version)

        return read_within_bounds(read)

    def _downloads(self, rng: random.Random, folder: Path) -> Failure | None:
        log = DownloadLog(folder / "out" / "downloads.jsonl")
        log.add("http://a/set.zip", "0" * 64, 5)
        table = json.loads(log.path.read_text())
        log.path.write_bytes(self._hostile_json(table, rng) + rng.choice((b"\n", b"")))

        def read() -> None:
            found = log.find("http://a/set.zip")
            if found is not None:
                found.describe().encode("utf-8", "replace")
            log.add("http://b/set.zip", "1" * 64, 6)
            assert log.find("http://b/set.zip") is not None

        return read_within_bounds(read)

    def _votes(self, rng: random.Random, folder: Path) -> Failure | None:
        path = folder / "out" / "votes.sqlite"
        for index in range(3):
            add_vote(path, vote(session=str(index)))
        if rng.random() < 0.3:
            data, change = damage(path.read_bytes(), rng)
            self._note(change)
            path.write_bytes(data)
        else:
            column = rng.choice(COLUMNS)
            value = rng.choice((
                *(number for number in HOSTILE_NUMBERS if -(2**63) <= number < 2**63),  # NaN is NULL in SQLite
                *(text.encode("utf-8", "surrogatepass") for text in HOSTILE_TEXTS),
                *(text for text in HOSTILE_TEXTS if text.isascii()), b"\xff\xfe",
            ))  # fmt: skip
            self._note(f"{column} is {str(value)[:50]!r}")
            with sqlite3.connect(path) as database:
                (table,) = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchone()
                database.execute(f"UPDATE {table} SET {column} = ? WHERE session = '1'", (value,))
            database.close()
        return read_within_bounds(
            lambda: [tally.describe() for tally in read_votes(path, ["run"])], lambda: votes_csv(path),
            lambda: add_vote(path, vote(session="new")),
        )  # fmt: skip
