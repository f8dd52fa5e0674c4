"""The files of i2i/docs/deploy hold to their formats, and their commands exist."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.docs.commands import ROOT, parse

DEPLOY = ROOT / "i2i/docs/deploy"


def i2i_command(path: Path) -> list[str]:
    """Return the arguments of the ``i2i`` command that torchrun starts in a file."""
    text = path.read_text().replace("\\\n", " ")
    if path.name == "train-job.yaml":
        (container,) = yaml.safe_load(text)["spec"]["template"]["spec"]["containers"]
        text = shlex.join(container["args"])
    (command,) = re.findall(r"-m\s+i2i\s+(train(?:\s+(?:[\w./=-]+|\"\$\w+\"))+)", text)
    return [word.replace("$DATA", "data").replace("$NAME", "run") for word in shlex.split(command)]


@pytest.mark.parametrize("name", ["train.slurm", "train-job.yaml", "train.sky.yaml"])
def test_the_training_command_exists_and_resumes_by_itself(name: str) -> None:
    words = i2i_command(DEPLOY / name)
    assert words[:2] == ["train", "cyclegan"]
    assert "--resume=auto" in words or words[words.index("--resume") + 1] == "auto"
    parse([word for word in words if word not in ("--resume", "auto", "--resume=auto")])


def test_the_dockerfile_has_no_finding_of_hadolint() -> None:
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed")
    result = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")


def test_the_dockerfile_runs_as_an_ordinary_user() -> None:
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    (user,) = [line for line in lines if line.startswith("USER")]
    assert user == "USER 1000"
    assert lines.index(user) < lines.index('ENTRYPOINT ["i2i"]')


def test_the_kubernetes_job_fits_the_schema() -> None:
    validate = pytest.importorskip("kubernetes_validate")
    (job,) = yaml.safe_load_all((DEPLOY / "train-job.yaml").read_text())
    validate.validate(job, desired_version="1.33", strict=True)
    job["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    with pytest.raises(validate.ValidationError):
        validate.validate(job, desired_version="1.33", strict=True)


def test_the_batch_script_has_no_syntax_error() -> None:
    subprocess.run(["bash", "-n", DEPLOY / "train.slurm"], check=True)
