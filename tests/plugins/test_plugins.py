"""Methods, recipes, networks, tasks and datasets of another package join i2i through entry points."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import i2i
from i2i import plugins
from i2i.checkpoints.model_file import load_model_info
from i2i.cli import app
from i2i.config import flags
from i2i.data.config import PairedConfig
from i2i.errors import ConfigError, ModelFileError, PluginError, UsageError
from i2i.recipes import find_recipe, recipe_from_json
from tests import forked_process
from tests.conftest import SIZE, random_image, write_random_images

SITE = Path(__file__).parent / "site"
TINY = {"size": SIZE, "steps": 2, "device": "cpu", "precision": "float32", "progress": False}


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Read the entry points again in the test and after it."""
    plugins.reload()
    yield monkeypatch
    monkeypatch.undo()
    plugins.reload()


@pytest.fixture
def example(fresh: pytest.MonkeyPatch) -> None:
    """Install the package i2i-example for the test."""
    fresh.syspath_prepend(SITE)
    plugins.reload()


def install(monkeypatch: pytest.MonkeyPatch, root: Path, package: str, entry_points: str, code: str = "") -> None:
    """Install a package whose module is ``code``."""
    info = root / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)
    (root / f"{package}.py").write_text(code)
    monkeypatch.syspath_prepend(root)
    plugins.reload()


def uninstall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(SITE)])
    plugins.reload()


def test_a_method_and_a_network_train_save_load_and_resume(example: None, unpaired: Path) -> None:
    run = i2i.train("meancolour", data=unpaired, generator="pointwise", hidden=3, weight_mean=2, name="m", **TINY)
    info = load_model_info(run.run.weights_path)
    assert (info.method, info.plugins) == ("meancolour", ("i2i-example 1.2",))
    assert info.generator == {"network": "pointwise", "hidden": 3}
    assert i2i.load(run, device="cpu")(random_image(0)).size == (SIZE, SIZE)
    assert i2i.train("meancolour", name="m", resume=True, steps=3, progress=False).step == 3
    with pytest.raises(ConfigError, match="hidden is 0"):
        i2i.train("meancolour", data=unpaired, generator="pointwise", hidden=0, **TINY)


def test_a_network_and_a_recipe_join_a_method_of_i2i(example: None) -> None:
    recipe = find_recipe("cyclegan", "curves")
    assert recipe_from_json(recipe.to_json()) == recipe
    assert find_recipe("cyclegan").name == "paper"  # the default stays
    changed = find_recipe("pix2pix").with_overrides({"model": {"generator": {"network": "pointwise", "hidden": 5}}})
    assert changed.model.generator.hidden == 5  # type: ignore[union-attr]


def test_a_task_degrades_and_trains(example: None, tmp_path: Path) -> None:
    write_random_images(tmp_path / "photos", 3)
    assert "levels" in {flag.name for flag in flags(PairedConfig())}
    result = CliRunner().invoke(app, ["degrade", "photos", "--task", "posterize", "--levels", "2", "--out", "out"])
    assert result.exit_code == 0, result.output
    assert set(np.unique(np.asarray(Image.open("out/000.png")))) <= {0, 255}
    run = i2i.train("regression", data="photos", task="posterize", width=4, depth=1, name="p", **TINY)
    assert load_model_info(run.run.weights_path).plugins == ("i2i-example 1.2",)
    assert i2i.load(run, device="cpu")(random_image(0)).size == (SIZE, SIZE)


def test_datasets_are_listed_generated_and_found_by_name(example: None) -> None:
    listed = CliRunner().invoke(app, ["data", "list", "--json"]).stdout
    assert '"plain"' in listed
    assert '"remote"' in listed
    run = i2i.train("meancolour", data="plain", generator="pointwise", name="m", **TINY)
    assert run.step == 2
    assert len(list(Path("datasets/plain/trainA").iterdir())) == 3


def test_the_command_line_lists_methods_without_importing_their_package(example: None) -> None:
    sys.modules.pop("i2i_example", None)
    listed = CliRunner().invoke(app, ["train", "--help"]).stdout
    assert "meancolour" in listed
    assert "A method of the package i2i-example 1.2." in listed
    assert "i2i_example" not in sys.modules
    help = CliRunner().invoke(app, ["train", "meancolour", "--help"]).stdout
    assert "--weight-mean" in help
    assert "--hidden" in help


def test_a_model_names_the_package_that_is_missing(
    example: None, fresh: pytest.MonkeyPatch, unpaired: Path, tmp_path: Path
) -> None:
    i2i.train("meancolour", data=unpaired, generator="pointwise", name="m", **TINY)
    write_random_images(tmp_path / "photos", 3)
    i2i.train("regression", data="photos", task="posterize", width=4, depth=1, name="p", **TINY)
    uninstall(fresh)
    with pytest.raises(ModelFileError, match=r"'pointwise'.*made with i2i-example 1\.2: install the missing"):
        i2i.load("m")
    with pytest.raises(UsageError, match=r"task 'posterize' is unknown.*i2i-example 1\.2"):
        i2i.evaluate("p", data="photos")
    with pytest.raises(UsageError, match=r"No method 'meancolour'.*needs that package"):
        i2i.train("meancolour", name="m", resume=True)


BROKEN = """
[i2i.methods]
broken = broken:METHOD
[i2i.networks]
nothing = broken:Missing
[i2i.tasks]
wrong = broken:wrong
"""


def test_a_broken_plugin_is_reported_by_name_and_breaks_nothing(
    fresh: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture, unpaired: Path
) -> None:
    install(fresh, tmp_path / "site", "broken", BROKEN, "wrong = 3\ndef __getattr__(name): raise OSError('no GPU')\n")
    with caplog.at_level(logging.WARNING):
        run = i2i.train("cyclegan", data=unpaired, generator="resnet", blocks=1, ngf=2, d_ndf=2,
                        d_receptive_field=16, name="m", **TINY)  # fmt: skip
        i2i.load(run, device="cpu")
    (line,) = {message for message in caplog.messages if "network" in message}
    assert line == "The network 'nothing' of the package broken 1.0 cannot be used: OSError: no GPU."
    with pytest.raises(PluginError, match=r"'broken' of the package broken 1\.0 cannot be used: OSError: no GPU"):
        find_recipe("broken")
    with caplog.at_level(logging.WARNING):
        assert "wrong" not in {name for flag in flags(PairedConfig()) for name in flag.variants}
    assert "The task 'wrong' of the package broken 1.0 cannot be used: 3 is no subclass" in caplog.text
    assert CliRunner().invoke(app, ["train", "--help"]).exit_code == 0


def test_a_name_of_i2i_is_refused(fresh: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    entry_points = "[i2i.networks]\nresnet = greedy:X\n[i2i.methods]\ncyclegan = greedy:X\n"
    install(fresh, tmp_path / "site", "greedy", entry_points, "raise SystemError\n")
    with caplog.at_level(logging.WARNING):
        recipe = find_recipe("cyclegan").with_overrides({"model": {"generator": {"network": "unet"}}})
        assert recipe.model.generator.network == "unet"  # type: ignore[union-attr]
    assert "The network 'resnet' of the package greedy 1.0 is refused: i2i has a network of this name." in caplog.text
    assert find_recipe("cyclegan").name == "paper"


def test_a_name_of_two_packages_is_refused_for_both(fresh: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for package in ("one", "two"):
        install(fresh, tmp_path / package, package, f"[i2i.methods]\nsame = {package}:X\n")
    with pytest.raises(PluginError, match=r"'same' is refused: the packages one 1\.0 and two 1\.0 both have it"):
        find_recipe("same")


def test_importing_i2i_imports_no_plugin(tmp_path: Path) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(SITE)!r}); import i2i, i2i.cli, i2i.recipes; "
        "print('i2i_example' in sys.modules)"
    )
    assert forked_process.run("-c", code).stdout == "False\n"
