import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from i2i.data.catalogue import CATALOGUE

REFERENCE = next(
    (
        path / "known_datasets.tsv"
        for path in map(Path, os.environ.get("I2I_DATASETS", "").split(os.pathsep))
        if (path / "known_datasets.tsv").is_file()
    ),
    None,
)


def test_every_entry_is_complete_and_its_archive_can_be_unpacked() -> None:
    assert len(CATALOGUE) == 17
    for name, entry in CATALOGUE.items():
        assert entry.name == name
        assert re.fullmatch(r"https?://[a-z.]+/[\w/.]+", entry.url)
        assert entry.archive.endswith((".zip", ".tar.gz"))
        assert entry.summary
        assert entry.note
        # Size and checksum are both known or both unknown.
        assert (entry.bytes is None) == (entry.sha256 is None)
        assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256)


@pytest.mark.skipif(REFERENCE is None, reason="no known_datasets.tsv under I2I_DATASETS")
def test_the_catalogue_agrees_with_the_table_of_known_datasets() -> None:
    assert REFERENCE is not None
    with REFERENCE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    known = {(row["url"], row["kind"].split()[0], row["bytes"], row["sha256"]) for row in rows}
    entries = CATALOGUE.values()
    assert known == {(e.url, e.kind, str(e.bytes or ""), e.sha256 or "") for e in entries}


def test_the_catalogue_loads_without_torch() -> None:
    check = "import sys, i2i.data.catalogue; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
