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

from i2i.convert import Result, convert_jobs, make_plan
from i2i.convert.manifest import LOCK_NAME, MANIFEST_NAME
from i2i.images import Writer
from tests.conftest import write_random_images
from tests.convert.odd_files import bad, good, left_out
from tests.images.in_process_reader import InProcessReader

Folder = dict[str, Any]


def snapshot(root: Path, excluded: Path) -> dict[str, tuple[Any, ...]]:
    """Return target of links, size, time and content of each file below ``root``, except below ``excluded``."""
    snapshots: dict[str, tuple[Any, ...]] = {}
    for parent, folders, names in os.walk(root):
        folders[:] = [name for name in folders if Path(parent, name) != excluded]
        for path in (Path(parent, name) for name in names):
            status = path.lstat()
            content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
            link = str(path.readlink()) if path.is_symlink() else ""
            snapshots[str(path)] = (link, status.st_size, status.st_mtime_ns, content)
    return snapshots


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A folder of unusual files, converted once by the identity with a ``DecoderPool``."""
    root = tmp_path_factory.mktemp("odd")
    folder, out = root / "in", root / "out"
    folder.mkdir()
    expected = {"good": list(good(folder)), "bad": list(bad(folder)), "left out": list(left_out(folder))}
    before = snapshot(root, out)
    result = convert_jobs(lambda image: image, make_plan([folder], out, "png"), out, writer=Writer())
    return {**expected, "folder": folder, "out": out, "result": result, "before": before, "after": snapshot(root, out)}


def test_the_folder_has_at_least_sixty_kinds_of_files(odd: Folder) -> None:
    assert len(odd["good"]) + len(odd["bad"]) + len(odd["left out"]) >= 60


def test_every_good_file_keeps_its_size_orientation_and_colours(odd: Folder) -> None:
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


def test_links_to_nowhere_and_loops_are_skipped_with_a_reason(odd: Folder) -> None:
    assert {path.name for path, *_ in odd["result"].skipped} == set(odd["left out"])


def test_nothing_outside_of_the_output_folder_changes(odd: Folder) -> None:
    assert odd["after"] == odd["before"]


def test_each_source_has_its_own_output_and_there_are_no_others(odd: Folder) -> None:
    existing = {
        path for path in odd["out"].rglob("*") if path.is_file() and path.name not in (MANIFEST_NAME, LOCK_NAME)
    }
    outputs = [output for _, output in odd["result"].converted]
    assert len(set(outputs)) == len(outputs)
    assert existing == set(outputs)


def test_results_keep_the_alpha_of_their_sources(odd: Folder) -> None:
    for name in ("glass.png", "glass.webp", "glass.tif", "grey glass.png", "palette with a hole.png"):
        (output,) = (output for source, output in odd["result"].converted if source.name == name)
        with Image.open(output) as image:
            assert image.mode == ("LA" if name == "grey glass.png" else "RGBA"), name


def test_a_rerun_reads_only_the_bad_files_again(odd: Folder) -> None:
    plan = make_plan([odd["folder"]], odd["out"], "png")
    again = convert_jobs(lambda image: image, plan, odd["out"], writer=Writer(), reader=InProcessReader())
    assert again.converted == []
    assert len(again.failed) == len(odd["bad"])


SCRIPT = """
import sys, time
from pathlib import Path
from PIL import ImageOps
from i2i.convert import convert_jobs, make_plan
from i2i.images import Writer
from tests.images.in_process_reader import InProcessReader
def translate(image):
    time.sleep(0.002)
    return ImageOps.invert(image)
source, out = Path(sys.argv[1]), Path(sys.argv[2])
print("ready", flush=True)
convert_jobs(translate, make_plan([source], out, "png"), out, writer=Writer(), reader=InProcessReader(),
             settings_hash="x", progress=lambda done, failed, total: print(done, flush=True))
"""


def started(source: Path, out: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SCRIPT, str(source), str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def results(out: Path) -> dict[str, bytes]:
    """Return the files of an output folder, without its lock and the manifest, whose order of lines may vary."""
    return {path.name: path.read_bytes() for path in out.iterdir() if path.name not in (MANIFEST_NAME, LOCK_NAME)}


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_repeatedly_killed_conversion_ends_with_the_same_results(tmp_path: Path) -> None:
    source = tmp_path / "in"
    write_random_images(source, 60, width=40)
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
    plan = make_plan([source], tmp_path / "killed", "png")
    again: Result = convert_jobs(lambda image: image, plan, tmp_path / "killed", writer=Writer(),
                                 reader=InProcessReader(), settings_hash="x")  # fmt: skip
    assert again.converted == []
