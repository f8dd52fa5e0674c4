from collections.abc import Callable
from pathlib import Path

import pytest

from i2i.checkpoints.run import Bundle, load_bundle, save_bundle
from i2i.errors import BundleError, UsageError
from i2i.evaluation.models import Setting, directions_of, maker, models_of
from i2i.training.trainer import Trainer
from tests.conftest import picture

Trained = Callable[..., Trainer]


def with_best(trained: Trained, steps: int = 2) -> Path:
    """The folder of a run whose best checkpoint is of another step than its last."""
    folder = trained().run.path
    last = load_bundle(folder / "weights.safetensors")
    best = {"metric": "kid", "value": 0.1, "steps": steps, "split": "test", "pictures": [4, 4]}
    save_bundle(folder / "best.safetensors", Bundle({**last.header, "steps": steps, "best": best}, last.tensors))
    return folder


def test_a_run_stands_with_its_last_and_its_best_checkpoint(trained: Trained) -> None:
    with_best(trained)
    titles = {which: [model.title for model in models_of(["run"], which)] for which in ("both", "last", "best")}
    last, best = "run (last, 3 steps)", "run (best by KID, 2 steps)"
    assert titles == {"both": [last, best], "last": [last], "best": [best]}


def test_a_best_that_is_also_the_last_stands_once(trained: Trained) -> None:
    with_best(trained, steps=3)
    assert [model.title for model in models_of(["run"], "both")] == ["run (last and best by KID, 3 steps)"]


def test_a_run_without_a_best_has_its_last_and_says_how_to_keep_one(trained: Trained) -> None:
    trained()
    assert [model.checkpoint for model in models_of(["run"], "both")] == ["last"]
    with pytest.raises(BundleError, match="run has no best checkpoint: --keep-best"):
        models_of(["run"], "best")


def test_a_bundle_alone_is_named_by_its_file_and_knows_no_run(trained: Trained, tmp_path: Path) -> None:
    folder = trained().run.path
    (folder / "weights.safetensors").rename(tmp_path / "zebra.safetensors")
    (model,) = models_of([str(tmp_path / "zebra.safetensors")], "both")
    assert (model.title, model.run) == ("zebra (3 steps)", None)


def test_a_checkpoint_can_be_named_by_itself(trained: Trained) -> None:
    folder = with_best(trained)
    (model,) = models_of(["run/best"], "both")
    assert (model.title, model.run) == ("run (best by KID, 2 steps)", folder)


def test_naming_a_model_twice_is_refused(trained: Trained) -> None:
    trained()
    with pytest.raises(UsageError, match="run last is named twice"):
        models_of(["run", "checkpoints/run"], "both")
    with pytest.raises(UsageError, match="identity is named twice"):
        models_of(["identity", "identity"], "both")


def test_directions_are_those_that_a_model_has(trained: Trained) -> None:
    trained()
    models = models_of(["run", "identity"], "both")
    assert directions_of(models, None) == ["AtoB", "BtoA"]
    assert directions_of(models, "BtoA") == ["BtoA"]
    assert directions_of(models[1:], None) == ["AtoB"]
    assert directions_of(models[1:], "BtoA") == ["BtoA"]
    with pytest.raises(UsageError, match="No model here has the direction 'sample'; there is AtoB, BtoA"):
        directions_of(models, "sample")


def test_identity_gives_back_the_very_pictures() -> None:
    (model,) = models_of(["identity"], "both")
    assert model.title == "input left alone"
    assert maker(model, "AtoB", Setting("cpu"))([picture(1)]) == [picture(1)]
