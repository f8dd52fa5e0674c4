"""The API reference builds, and every module can be imported."""

import importlib
import warnings
from pathlib import Path

import pytest

from tests.docs.reference import PUBLIC_MODULES, build_reference
from tests.test_import_layers import MODULES, parts_of


def test_the_reference_of_the_public_modules_builds_without_warnings(work_dir: Path) -> None:
    for module in PUBLIC_MODULES:  # the libraries that they import may warn
        importlib.import_module(module)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Once torch.compile has run in the process, pdoc does not find where modules take this attribute from.
        warnings.filterwarnings("ignore", r"Cannot determine where \S+\.training is taken from")
        # In a long process Python 3.11 at times fails to parse a source, which pdoc then leaves out.
        warnings.filterwarnings("ignore", "Error parsing source code: AST constructor recursion depth mismatch")
        build_reference(work_dir / "reference")
    for module in PUBLIC_MODULES:
        page = (work_dir / "reference" / module.replace(".", "/")).with_suffix(".html")
        assert page.is_file(), f"{module} has no page"


@pytest.mark.parametrize("name", [".".join(parts_of(path)) for path in MODULES if path.stem != "__main__"])
def test_a_module_can_be_imported(name: str) -> None:
    assert importlib.import_module(name).__name__ == name
