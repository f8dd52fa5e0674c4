from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from i2i.checkpoints.foreign import ImportOptions
from i2i.checkpoints.importing import read_models, save_import
from i2i.checkpoints.model_file import ModelFile, load_model_file, save_model_file
from i2i.checkpoints.model_info import BestMetric
from i2i.errors import ModelFileError, UsageError
from i2i.evaluation.models import common_task, load_translate_fn, resolve_directions, resolve_models
from i2i.inference.options import InferenceOptions
from i2i.restoration.noise import Denoise
from i2i.restoration.superres import Superres
from i2i.training.trainer import Trainer
from tests.checkpoints.foreign.restoration import write
from tests.conftest import random_image

Trained = Callable[..., Trainer]


def run_with_best(trained: Trained, steps: int = 2) -> Path:
    """Return the folder of a run whose best checkpoint is from another step than its last."""
    folder = trained().run.path
    last = load_model_file(folder / "weights.safetensors")
    info = replace(last.info, steps=steps, best=BestMetric("kid", 0.1, steps, "test", (4, 4)))
    save_model_file(folder / "best.safetensors", ModelFile(info, last.tensors))
    return folder


def test_a_run_has_its_last_and_its_best_checkpoint(trained: Trained) -> None:
    run_with_best(trained)
    choices = ("both", "last", "best")
    titles = {choice: [model.title for model in resolve_models(["run"], choice)] for choice in choices}
    last, best = "run (last, 3 steps)", "run (best by KID, 2 steps)"
    assert titles == {"both": [last, best], "last": [last], "best": [best]}


def test_a_checkpoint_that_is_last_and_best_is_listed_once(trained: Trained) -> None:
    run_with_best(trained, steps=3)
    assert [model.title for model in resolve_models(["run"], "both")] == ["run (last and best by KID, 3 steps)"]


def test_a_run_without_a_best_checkpoint_has_its_last(trained: Trained) -> None:
    trained()
    assert [model.checkpoint for model in resolve_models(["run"], "both")] == ["last"]
    with pytest.raises(ModelFileError, match=r"run has no best checkpoint: .*--best-metric"):
        resolve_models(["run"], "best")


def test_a_model_file_outside_a_run_is_named_by_its_file(trained: Trained, tmp_path: Path) -> None:
    folder = trained().run.path
    (folder / "weights.safetensors").rename(tmp_path / "zebra.safetensors")
    (model,) = resolve_models([str(tmp_path / "zebra.safetensors")], "both")
    assert (model.title, model.run) == ("zebra (3 steps)", None)


def test_a_checkpoint_can_be_named(trained: Trained) -> None:
    folder = run_with_best(trained)
    (model,) = resolve_models(["run/best"], "both")
    assert (model.title, model.run) == ("run (best by KID, 2 steps)", folder)


def test_a_model_named_twice_is_refused(trained: Trained) -> None:
    trained()
    with pytest.raises(UsageError, match="run last is named twice"):
        resolve_models(["run", "checkpoints/run"], "both")
    with pytest.raises(UsageError, match="identity is named twice"):
        resolve_models(["identity", "identity"], "both")


def test_directions_are_those_of_the_models(trained: Trained) -> None:
    trained()
    models = resolve_models(["run", "identity"], "both")
    assert resolve_directions(models, None) == ["AtoB", "BtoA"]
    assert resolve_directions(models, "BtoA") == ["BtoA"]
    assert resolve_directions(models[1:], None) == ["AtoB"]
    assert resolve_directions(models[1:], "BtoA") == ["BtoA"]
    with pytest.raises(UsageError, match="None of the models has the direction 'sample'; choose from AtoB, BtoA"):
        resolve_directions(models, "sample")


def test_the_identity_returns_its_inputs() -> None:
    (model,) = resolve_models(["identity"], "both")
    assert model.title == "unchanged input"
    assert load_translate_fn(model, "AtoB", InferenceOptions("cpu"))([random_image(1)]) == [random_image(1)]


def test_a_restoration_model_of_another_program_takes_the_task_of_the_others() -> None:
    save_import("other", read_models([write("DRUNet")], ImportOptions()))
    save_import("stated", read_models([write("DRUNet")], ImportOptions(task="denoise")))
    other, stated, shipped = (resolve_models([name], "last")[0] for name in ("other", "stated", "denoise"))
    assert common_task([other]) is None
    assert isinstance(common_task([stated, other]), Denoise)
    assert common_task([other, shipped]) == shipped.task
    large = resolve_models([str(write("ESRGAN"))], "last")[0]
    assert large.task == Superres(scale=4)
    assert load_translate_fn(large, "AtoB", InferenceOptions("cpu", "float32"))([random_image(0)])[0].size == (64, 64)
