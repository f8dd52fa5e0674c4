import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from i2i.cli import app
from i2i.errors import UsageError
from i2i.metrics import inception
from tests.cli.test_cli import run as run_main
from tests.metrics.standin import ChannelStatistics


@pytest.fixture(autouse=True)
def _quick_networks(monkeypatch: pytest.MonkeyPatch, perceptual_weights: Path) -> None:
    """Replace the metric networks: the real weights may be missing."""
    monkeypatch.setattr(inception, "load_inception", ChannelStatistics)


def run(*args: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", *args, "--device", "cpu"])


def test_json_is_the_only_output(unpaired: Path) -> None:
    result = run("identity", "--data", str(unpaired), "--json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert {"metrics", "protocol", "directions"} <= report.keys()
    assert "inputs: 4 images" in result.stderr


def test_a_value_beyond_a_limit_is_logged_and_exits_with_1(unpaired: Path) -> None:
    result = run("identity", "--data", str(unpaired), "--fail-over", "fid=0.001", "--fail-over", "kid=1000")
    assert result.exit_code == 1
    assert "beyond the limit: unchanged input, AtoB: FID is " in result.stderr.replace("\n", " ")
    assert "KID is" not in result.stderr
    assert "unchanged input" in result.stdout


def test_the_report_is_written_and_a_bad_path_is_refused_before_the_evaluation(unpaired: Path) -> None:
    result = run("identity", "--data", str(unpaired), "--report", "out.html")
    assert result.exit_code == 0
    assert Path("out.html").read_text().startswith("<!doctype html>")
    refused = run("identity", "--data", str(unpaired), "--report", "out.txt")
    assert isinstance(refused.exception, UsageError)
    assert refused.stderr == ""


def test_an_incomplete_limit_is_refused_before_the_evaluation(unpaired: Path) -> None:
    refused = run("identity", "--data", str(unpaired), "--fail-under", "psnr")
    assert isinstance(refused.exception, UsageError)
    assert refused.stderr == ""


def test_an_unknown_model_is_one_message_and_exit_code_2() -> None:
    result = run_main("evaluate", "nothing", "--data", "two")
    assert result.returncode == 2
    assert result.stderr.startswith("error: No model 'nothing'.")
    assert "Traceback" not in result.stderr
