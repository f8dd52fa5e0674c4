"""Image caches that several processes build, or that a process leaves unfinished."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data.caching import SIDE, assert_equal_samples, build, cache_names, leftovers


def start_build(code: str, root: Path) -> "subprocess.Popen[str]":
    """Start a process that builds the cache of ``root``, after it has run ``code``, which may replace functions."""
    program = f"""
import logging, os, signal, sys, time
from pathlib import Path
from i2i.data import image_cache
from i2i.data.layout import detect_layout
load_item = image_cache.load_item
def wait_for(name):
    end = time.monotonic() + 60
    while not Path(name).exists() and time.monotonic() < end:
        time.sleep(0.005)
    assert Path(name).exists(), name
def on_message(action):
    handler = logging.Handler()
    handler.emit = lambda record: action(record.getMessage())
    logging.basicConfig(level="INFO", handlers=[handler])
{code}
image_cache.build_image_cache(detect_layout(Path(sys.argv[1])), {SIDE}, "stretch")
"""
    return subprocess.Popen([sys.executable, "-c", program, str(root)], stderr=subprocess.PIPE, text=True)


KILLED_WHILE_DECODING = """
items = []
def killing_load_item(item, kind, **options):
    items.append(item)
    if len(items) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return load_item(item, kind, **options)
image_cache.load_item = killing_load_item
"""
KILLED_BEFORE_THE_RENAME = """
def killing_rename(path, target):
    os.kill(os.getpid(), signal.SIGKILL)
image_cache.Path.rename = killing_rename
"""


@pytest.mark.parametrize("code", [KILLED_WHILE_DECODING, KILLED_BEFORE_THE_RENAME], ids=["decoding", "rename"])
def test_a_killed_build_leaves_nothing_that_is_taken_for_a_cache(paired: Path, code: str) -> None:
    process = start_build(code, paired)
    assert process.wait(60) == -signal.SIGKILL
    assert cache_names() == []
    assert leftovers()
    assert_equal_samples(build(paired), paired)
    assert len(cache_names()) == 1
    assert not leftovers()


def test_leftovers_of_a_killed_build_of_another_dataset_are_removed(paired: Path, unpaired: Path) -> None:
    process = start_build(KILLED_WHILE_DECODING, unpaired)
    assert process.wait(60) == -signal.SIGKILL
    assert leftovers() == [".two-18.unfinished"]
    build(paired)
    assert not leftovers()


FIRST = """
on_message(lambda text: Path("first.builds").touch())
def waiting_load_item(item, kind, **options):
    wait_for("second.waits")
    return load_item(item, kind, **options)
image_cache.load_item = waiting_load_item
"""
SECOND = """
def expect_waiting(text):
    assert "another process" in text, text
    Path("second.waits").touch()
on_message(expect_waiting)
def failing_load_item(item, kind, **options):
    raise AssertionError("decoded a second time")
image_cache.load_item = failing_load_item
wait_for("first.builds")
"""


def test_of_two_processes_that_need_the_same_cache_one_builds_and_the_other_waits(
    paired: Path, caplog: pytest.LogCaptureFixture
) -> None:
    processes = [start_build(FIRST, paired), start_build(SECOND, paired)]
    for process in processes:
        _, stderr = process.communicate(timeout=120)
        assert process.returncode == 0, stderr
    assert len(cache_names()) == 1
    assert not leftovers()
    assert_equal_samples(build(paired), paired)
    assert caplog.messages == []


def test_a_process_that_builds_another_cache_keeps_its_unfinished_folder(paired: Path, unpaired: Path) -> None:
    process = start_build(FIRST, unpaired)
    try:
        while not Path("first.builds").exists():
            assert process.poll() is None
        build(paired)
    finally:
        Path("second.waits").touch()
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert len(cache_names()) == 2
