"""The API reference builds, and every module can be imported."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.reference import PUBLIC_MODULES
from tests.test_import_layers import MODULES, parts_of


def test_the_reference_of_the_public_modules_builds_without_warnings(work_dir: Path) -> None:
    # In a process of its own: after torch.compile, and while other threads run, pdoc fails to read some sources.
    command = [sys.executable, "-m", "tests.docs.reference", str(work_dir / "reference")]
    built = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stderr
    warnings = [line for line in built.stderr.splitlines() if "pdoc" in line]  # the libraries may warn
    assert warnings == []
    for module in PUBLIC_MODULES:
        page = (work_dir / "reference" / module.replace(".", "/")).with_suffix(".html")
        assert page.is_file(), f"{module} has no page"


@pytest.mark.parametrize("name", [".".join(parts_of(path)) for path in MODULES if path.stem != "__main__"])
def test_a_module_can_be_imported(name: str) -> None:
    assert importlib.import_module(name).__name__ == name
