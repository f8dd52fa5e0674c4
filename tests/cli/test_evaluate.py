import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from i2i.cli import app
from i2i.errors import UsageError


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", *words, "--device", "cpu"])


def test_json_is_all_that_standard_output_holds(unpaired: Path) -> None:
    found = run("identity", "--data", str(unpaired), "--json")
    assert found.exit_code == 0
    told = json.loads(found.stdout)
    assert {"metrics", "protocol", "directions"} <= told.keys()
    assert "inputs: 4 pictures" in found.stderr


def test_a_broken_limit_is_said_and_ends_with_1(unpaired: Path) -> None:
    found = run("identity", "--data", str(unpaired), "--fail-over", "fid=0.001", "--fail-over", "kid=1000")
    assert found.exit_code == 1
    assert "beyond the limit input left alone, AtoB: FID is " in found.stderr.replace("\n", " ")
    assert "KID is" not in found.stderr
    assert "input left alone" in found.stdout


def test_the_report_is_written_and_its_place_refused_before_the_work(unpaired: Path) -> None:
    found = run("identity", "--data", str(unpaired), "--report", "out.html")
    assert found.exit_code == 0
    assert Path("out.html").read_text().startswith("<!doctype html>")
    refused = run("identity", "--data", str(unpaired), "--report", "out.txt")
    assert isinstance(refused.exception, UsageError)
    assert refused.stderr == ""


def test_a_limit_that_is_none_is_refused_before_the_work(unpaired: Path) -> None:
    refused = run("identity", "--data", str(unpaired), "--fail-under", "psnr")
    assert isinstance(refused.exception, UsageError)
    assert refused.stderr == ""


@pytest.mark.slow
def test_the_command_ends_with_2_and_one_block_where_there_is_no_such_model() -> None:
    found = subprocess.run(
        [sys.executable, "-c", "from i2i.cli import main; main()", "evaluate", "nothing", "--data", "two"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert found.returncode == 2
    assert found.stderr.startswith("error: No model 'nothing'.")
    assert "Traceback" not in found.stderr
