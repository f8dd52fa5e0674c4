import hashlib
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from i2i.convert import Result, convert_jobs, plan
from i2i.convert.manifest import LOCK, NAME
from i2i.images import Here, Writer
from tests.conftest import write_pictures
from tests.convert.odd_files import bad, good, left_out

Folder = dict[str, Any]


def snapshot(root: Path, but: Path) -> dict[str, tuple[Any, ...]]:
    """Every file below ``root`` that is not below ``but``: where links lead, or size, time and content."""
    found: dict[str, tuple[Any, ...]] = {}
    for place, folders, names in os.walk(root):
        folders[:] = [name for name in folders if Path(place, name) != but]
        for path in (Path(place, name) for name in names):
            status = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            link = str(path.readlink()) if path.is_symlink() else ""
            found[str(path)] = (link, status.st_size, status.st_mtime_ns, content)
    return found


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """The folder, converted once by the identity, with decoders in processes of their own."""
    root = tmp_path_factory.mktemp("odd")
    folder, out = root / "in", root / "out"
    folder.mkdir()
    expected = {"good": list(good(folder)), "bad": list(bad(folder)), "left out": list(left_out(folder))}
    before = snapshot(root, out)
    result = convert_jobs(lambda image: image, plan([folder], out, "png"), out, writer=Writer())
    return {**expected, "folder": folder, "out": out, "result": result, "before": before, "after": snapshot(root, out)}


def test_the_folder_has_sixty_kinds_of_files_and_more(odd: Folder) -> None:
    assert len(odd["good"]) + len(odd["bad"]) + len(odd["left out"]) >= 60


def test_every_good_file_comes_out_with_its_size_orientation_and_colours(odd: Folder) -> None:
    outputs = {str(source.relative_to(odd["folder"])): output for source, output in odd["result"].converted}
    wrong = []
    for name, levels, tolerance in odd["good"]:
        if name not in outputs:
            wrong.append(f"{name} was not converted")
            continue
        with Image.open(outputs[name]) as image:
            rgba = image.convert("RGBA")
            found = np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "white"), rgba))[..., :3]
        if levels.ndim == 3 and found.shape != levels.shape:
            wrong.append(f"{name} came out as {found.shape}, not {levels.shape}")
        elif (apart := np.abs(found.astype(float) - levels).max()) > tolerance:
            wrong.append(f"{name} is off by {apart}")
    assert wrong == []
    assert len(outputs) == len(odd["good"])


def test_every_bad_file_is_reported_with_its_reason(odd: Folder) -> None:
    reasons = {path.name: reason for path, reason in odd["result"].failed}
    assert set(reasons) == {name for name, _ in odd["bad"]}
    assert [name for name, words in odd["bad"] if not re.search(words, reasons[name])] == []


def test_links_out_and_round_are_skipped_with_a_word(odd: Folder) -> None:
    assert {path.name for path, *_ in odd["result"].skipped} == set(odd["left out"])


def test_sources_stay_as_they_were_and_nothing_lies_outside_of_the_output_folder(odd: Folder) -> None:
    assert odd["after"] == odd["before"]


def test_no_two_sources_share_an_output_and_there_is_none_besides(odd: Folder) -> None:
    there = {path for path in odd["out"].rglob("*") if path.is_file() and path.name not in (NAME, LOCK)}
    outputs = [output for _, output in odd["result"].converted]
    assert len(set(outputs)) == len(outputs)
    assert there == set(outputs)


def test_alpha_is_in_the_results_that_had_it(odd: Folder) -> None:
    for name in ("glass.png", "glass.webp", "glass.tif", "grey glass.png", "palette with a hole.png"):
        (output,) = (output for source, output in odd["result"].converted if source.name == name)
        with Image.open(output) as image:
            assert image.mode == "RGBA", name


def test_a_rerun_looks_at_the_bad_files_again_and_at_no_other(odd: Folder) -> None:
    again = convert_jobs(lambda image: image, plan([odd["folder"]], odd["out"], "png"), odd["out"], writer=Writer(),
                         reader=Here())  # fmt: skip
    assert again.converted == []
    assert len(again.failed) == len(odd["bad"])


SCRIPT = """
import sys, time
from pathlib import Path
from PIL import ImageOps
from i2i.convert import convert_jobs, plan
from i2i.images import Here, Writer
def translate(image):
    time.sleep(0.002)
    return ImageOps.invert(image)
source, out = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
convert_jobs(translate, plan([source], out, "png"), out, writer=Writer(), reader=Here(), made_by="x",
             progress=lambda done, failed, total: print(done, flush=True))
"""


def started(source: Path, out: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SCRIPT, str(source), str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def results(out: Path) -> dict[str, bytes]:
    """Everything in an output folder but the manifest, whose lines are in the order of the work, and its lock."""
    return {path.name: path.read_bytes() for path in out.iterdir() if path.name not in (NAME, LOCK)}


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_conversion_that_is_killed_again_and_again_ends_as_one_that_was_not(tmp_path: Path) -> None:
    source = tmp_path / "in"
    write_pictures(source, 60, width=40)
    (source / "bad.png").write_text("text")
    whole = started(source, tmp_path / "whole")
    whole.communicate()
    assert whole.returncode == 0
    moments = random.Random(0)
    for _ in range(3):
        killed = started(source, tmp_path / "killed")
        assert killed.stdout is not None
        lines = moments.randrange(2, 15)
        for _ in range(lines):
            killed.stdout.readline()
        killed.kill()
        killed.wait()
    assert 0 < len(list((tmp_path / "killed").glob("*.png"))) < 60
    last = started(source, tmp_path / "killed")
    last.communicate()
    assert last.returncode == 0
    assert len(results(tmp_path / "whole")) == 60
    assert results(tmp_path / "killed") == results(tmp_path / "whole")
    again: Result = convert_jobs(lambda image: image, plan([source], tmp_path / "killed", "png"), tmp_path / "killed",
                                 writer=Writer(), reader=Here(), made_by="x")  # fmt: skip
    assert again.converted == []
