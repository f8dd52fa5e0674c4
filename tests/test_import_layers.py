"""The layers of DESIGN.md's plan, held: imports go only downwards, never sideways."""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import i2i

ROOT = Path(i2i.__file__).parent
LAYERS = [
    {"errors", "_version", "directions", "json_parsing", "paths"},
    {"storage"},
    {"arguments", "augmentations", "config", "device", "distributed", "images", "plugins"},
    {"pretrained"},
    {"networks", "restoration", "diagnostics", "checkpoints"},
    {"data", "metrics", "model_networks"},
    {"losses", "engines"},
    {"methods"},
    {"training", "inference"},
    {"recipes"},
    {"convert", "evaluation"},
    {"reports"},
    {"api"},
    {"demo"},
    {"cli"},
    {"i2i", "__main__"},  # the package's public names
]
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
MODULES = sorted(ROOT.rglob("*.py"))


def unit(parts: tuple[str, ...]) -> str:
    """The module or package directly under i2i that holds the module of these parts; "i2i" for its __init__."""
    return parts[1] if len(parts) > 1 else "i2i"


def parts_of(path: Path) -> tuple[str, ...]:
    """Such as ("i2i", "data", "folders")."""
    parts = ("i2i", *path.relative_to(ROOT).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


def exists(name: str) -> bool:
    return (ROOT / name).is_dir() or (ROOT / f"{name}.py").is_file()


def imported(source: str, package: str) -> Iterator[str]:
    """The units that a module of ``package`` imports anywhere, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = tuple(name.split("."))
            if parts[0] == "i2i":
                yield unit(parts) if len(parts) == 1 or exists(parts[1]) else "i2i"


def allowed(importer: str, target: str) -> bool:
    return importer == target or RANK[target] < RANK[importer]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: ".".join(parts_of(path)))
def test_a_module_imports_only_from_the_layers_below_its_own(path: Path) -> None:
    parts = parts_of(path)
    name = unit(parts)
    assert name in RANK, f"i2i.{name} has no place yet: put it in a layer of LAYERS in {Path(__file__).name}."
    package = ".".join(parts if path.name == "__init__.py" else parts[:-1])
    for target in imported(path.read_text(), package):
        assert target in RANK, f"i2i.{target} has no place yet: put it in a layer of LAYERS in {Path(__file__).name}."
        assert allowed(name, target), f"{'.'.join(parts)} imports i2i.{target}, which is not in a layer below it."


@pytest.mark.parametrize(
    ("source", "package", "units"),
    [
        ("import i2i.training.trainer", "i2i", ["training"]),
        ("from i2i import training, _version", "i2i", ["training", "_version"]),
        ("from i2i import load", "i2i", ["i2i"]),
        ("def f():\n    from i2i.networks.layers import norm", "i2i", ["networks"]),
        ("from ..losses import adversarial", "i2i.networks", ["losses"]),
        ("from .layers import norm", "i2i.networks", ["networks"]),
        ("import torch\nfrom pathlib import Path", "i2i", []),
    ],
)
def test_an_import_is_found_however_it_is_written(source: str, package: str, units: list[str]) -> None:
    assert list(imported(source, package)) == units


@pytest.mark.parametrize(
    ("importer", "target", "verdict"),
    [
        ("training", "methods", True),
        ("data", "data", True),
        ("training", "inference", False),
        ("inference", "training", False),
        ("networks", "losses", False),
        ("training", "recipes", False),
        ("config", "networks", False),
    ],
)
def test_imports_go_down_and_never_sideways(importer: str, target: str, verdict: bool) -> None:
    assert allowed(importer, target) is verdict


@pytest.mark.parametrize("module", ["i2i", "i2i.cli"])
def test_importing_the_command_line_imports_nothing_heavy(module: str) -> None:
    heavy = {"torch", "torchvision", "lpips", "albumentations", "cv2", "gradio", "tensorboard"}
    code = f"import sys, {module}; print(*sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
