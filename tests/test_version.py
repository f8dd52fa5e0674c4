"""One version: of the package, of the command and of the distribution."""

import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import i2i

PROJECT = Path(i2i.__file__).parents[1]


def test_the_command_prints_the_version_of_the_package() -> None:
    command = [sys.executable, "-m", "i2i", "--version"]
    process = subprocess.run(command, capture_output=True, text=True, check=True)
    assert process.stdout == f"{i2i.__version__}\n"


def test_the_distribution_takes_its_version_from_the_package() -> None:
    settings = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert settings["project"]["dynamic"] == ["version"]
    assert "version" not in settings["project"]
    file = PROJECT / settings["tool"]["hatch"]["version"]["path"]
    assert runpy.run_path(str(file))["__version__"] == i2i.__version__


def test_type_checkers_find_the_types_of_the_package() -> None:
    assert (PROJECT / "i2i" / "py.typed").is_file()
