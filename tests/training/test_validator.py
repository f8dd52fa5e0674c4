import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import i2i
from i2i.checkpoints.log import read_log
from i2i.checkpoints.model_file import load_model_file, load_model_info
from i2i.checkpoints.model_info import BestMetric
from i2i.cli import app
from i2i.data.layout import list_images
from i2i.errors import ConfigError, DatasetError, ModelFileError
from i2i.images import read
from i2i.inference import sampler
from i2i.metrics import Inception, inception, kid
from i2i.metrics.paired import Lpips, psnr, ssim
from i2i.training.config import TrainingConfig
from i2i.training.trainer import Trainer
from tests.conftest import write_random_images
from tests.metrics.standin import ChannelStatistics
from tests.training.test_trainer import Changes, assert_equal_states, resume, start

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def fake_inception(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inception, "load_inception", ChannelStatistics)


def metric_rows(trainer: Trainer, metric: str = "kid") -> list[Row]:
    return [row for row in read_log(trainer.run.path) if any(name.endswith(f"/{metric}") for name in row)]


def train(method: str, changes: Row, name: str = "run") -> Trainer:
    trainer = start(method, changes, name)
    assert trainer.train() is None
    return trainer


def test_by_default_nothing_is_measured_and_no_network_is_loaded(
    unpaired: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception, "load_inception", None)
    trainer = train("cyclegan", changes(unpaired, steps=2))
    assert not metric_rows(trainer)
    assert not trainer.run.best_path.exists()


def test_the_validator_runs_at_its_interval_and_after_the_last_step(unpaired: Path, changes: Changes) -> None:
    trainer = train("cyclegan", changes(unpaired, steps=5, eval_every=2))
    assert [row["step"] for row in metric_rows(trainer)] == [2, 4, 5]
    assert not trainer.run.best_path.exists()


def test_with_a_best_metric_the_interval_defaults_to_that_of_the_samples() -> None:
    assert TrainingConfig(best_metric="kid", sample_every=7).evaluation_interval() == 7
    assert TrainingConfig(best_metric="kid", eval_every=3).evaluation_interval() == 3
    assert TrainingConfig().evaluation_interval() == 0
    with pytest.raises(ConfigError, match="eval_every is 0; it must be above 0 with best_metric"):
        TrainingConfig(best_metric="kid", eval_every=0)


def test_kid_equals_that_of_the_saved_translators_on_the_test_images(
    unpaired: Path, changes: Changes, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = train("cyclegan", changes(unpaired, steps=2, eval_every=2))
    (row,) = metric_rows(trainer)
    network = Inception("cpu", ChannelStatistics())
    for direction in ("AtoB", "BtoA"):
        translate = i2i.load("run", direction, device="cpu", precision="float32")
        outputs = [translate(read(path)) for path in list_images(unpaired / f"test{direction[0]}")]
        real = network.features(list_images(unpaired / f"test{direction[-1]}"))
        assert row[f"{direction}/kid"] == pytest.approx(kid(network.features(outputs), real), rel=1e-4)
    assert f"AtoB/kid {row['AtoB/kid']:.4g}" in caplog.text


def test_paired_outputs_are_compared_with_their_targets(
    paired: Path, changes: Changes, perceptual_weights: Path
) -> None:
    write_random_images(paired / "test", 6, width=64, seed=3)
    for path in list_images(paired / "test"):
        read(path).resize((64, 32)).save(path)
    settings = changes(paired, steps=1, eval_every=1)
    settings["data"] |= {"size": 32, "resize_scale": 1.0, "direction": "BtoA"}
    (row,) = metric_rows(train("pix2pix", settings), "psnr")
    translate = i2i.load("run", device="cpu", precision="float32")
    joined = [read(path) for path in list_images(paired / "test")]
    outputs = torch.stack([_pixels(translate(pair.crop((32, 0, 64, 32)))) for pair in joined])
    targets = torch.stack([_pixels(pair.crop((0, 0, 32, 32))) for pair in joined])
    for name, metric in (("psnr", psnr), ("ssim", ssim), ("lpips", Lpips("cpu"))):
        assert row[f"BtoA/{name}"] == pytest.approx(metric(outputs, targets).mean(), rel=1e-3)
    assert math.isfinite(row["BtoA/kid"])


def _pixels(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def test_a_noise_generator_is_measured_on_the_images_of_the_sampler(unpaired: Path) -> None:
    generator = {"network": "dcgan", "ngf": 2, "latent": 4}
    settings = {
        "data": {"data": str(unpaired / "trainA"), "size": 16},
        "model": {"networks": {"generator": generator, "discriminator": {"ndf": 2, "norm": "none"}}},
        "training": {"steps": 2, "batch_size": 2, "device": "cpu", "precision": "float32", "best_metric": "kid"},
    }
    trainer = train("gan", settings)
    (row,) = metric_rows(trainer)
    network = Inception("cpu", ChannelStatistics())
    generated_features = network.features(sampler.load("run", device="cpu", precision="float32")(range(5)))
    real_features = network.features(list_images(unpaired / "trainA"))
    assert row["sample/kid"] == pytest.approx(kid(generated_features, real_features), rel=1e-4)
    assert load_model_info(trainer.run.best_path).best.split == "train"


def script_kid(trainer: Trainer, values: dict[int, float]) -> None:
    """Make the validation after each step return a given KID."""
    validator = trainer.validator
    assert validator is not None
    validator._compute_metrics = lambda *_: {"kid": values[trainer.step]}  # type: ignore[method-assign]


KIDS = {2: 0.5, 4: 0.3, 6: 0.4, 8: 0.3, 9: math.nan}


def test_the_best_model_is_saved_beside_the_last_one(
    unpaired: Path, changes: Changes, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=9, eval_every=2, best_metric="kid"), "run")
    script_kid(trainer, KIDS)
    trainer.train()
    best, last = load_model_file(trainer.run.best_path), load_model_file(trainer.run.weights_path)
    expected = BestMetric("kid", 0.3, 4, "test", (4, 4))
    assert best.info.best == expected
    assert (best.info.steps, last.info.steps) == (4, 9)
    assert last.info.best is None
    other = train("cyclegan", changes(unpaired, steps=4), "short")  # the same training, except for its learning rates
    assert best.tensors.keys() == load_model_file(other.run.weights_path).tensors.keys()
    assert any(not torch.equal(value, last.tensors[name]) for name, value in best.tensors.items())
    assert caplog.text.count("(best so far)") == 2
    assert i2i.load("run/best", device="cpu").info.steps == 4
    assert i2i.load("checkpoints/run/best.safetensors", device="cpu").info.steps == 4


@pytest.mark.parametrize("crash_at", [3, 5, 7])
def test_a_training_resumed_after_a_crash_saves_the_same_best_model(
    unpaired: Path, changes: Changes, crash_at: int
) -> None:
    settings = changes(unpaired, steps=9, eval_every=2, best_metric="kid")
    whole = start("cyclegan", settings, "whole")
    script_kid(whole, KIDS)
    whole.train()
    part = start("cyclegan", settings, "part")
    script_kid(part, KIDS)
    run_step = part._run_step

    def crash(batch: Any) -> None:
        run_step(batch)
        if part.step == crash_at:
            raise KeyboardInterrupt  # nothing is saved at the exit

    part._run_step = crash  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        part.train()
    part.run.unlock()
    resumed = resume("cyclegan", {}, "part")
    assert resumed.step == (2 if crash_at == 3 else 4)  # a new best model also saves the state
    script_kid(resumed, KIDS)
    resumed.train()
    assert_equal_states(whole, resumed)
    assert whole.run.best_path.read_bytes() == resumed.run.best_path.read_bytes()
    assert [row["step"] for row in metric_rows(resumed)] == [2, 4, 6, 8, 9]


def test_validation_does_not_change_the_training(unpaired: Path, changes: Changes) -> None:
    often = train("cyclegan", changes(unpaired, eval_every=1), "often")
    never = train("cyclegan", changes(unpaired), "never")
    assert often.validator is not None
    assert_equal_states(often, never)


@pytest.mark.parametrize(
    ("changed", "kept"),
    [({}, True), ({"eval_images": 3}, False), ({"eval_every": 3}, True)],
    ids=["same settings", "fewer images", "other interval"],
)
def test_a_resume_keeps_the_best_result_if_the_protocol_is_the_same(
    unpaired: Path, changes: Changes, changed: Row, kept: bool
) -> None:
    trainer = train("cyclegan", changes(unpaired, steps=2, eval_every=1, best_metric="kid"))
    trainer.run.unlock()
    resumed = resume("cyclegan", {"training": {"steps": 3, **changed}}, "run")
    assert trainer.validator is not None
    assert resumed.validator is not None
    assert resumed.validator.best == (trainer.validator.best if kept else None)


def test_a_best_result_without_its_file_is_dropped(unpaired: Path, changes: Changes) -> None:
    trainer = train("cyclegan", changes(unpaired, steps=2, best_metric="kid"))
    trainer.run.unlock()
    trainer.run.best_path.unlink()
    resumed = resume("cyclegan", {"training": {"steps": 3}}, "run")
    assert resumed.validator is not None
    assert resumed.validator.best is None


def test_lower_is_better_for_kid_and_lpips_and_higher_for_psnr_and_ssim() -> None:
    for metric, higher in (("kid", False), ("lpips", False), ("psnr", True), ("ssim", True)):
        one, other = (BestMetric(metric, value, 1, "test", (4, 4)) for value in (1.0, 2.0))
        assert other.is_better_than(one) is higher
        assert one.is_better_than(other) is not higher
        assert not one.is_better_than(one)


def test_a_paired_metric_on_unpaired_data_raises_config_error(unpaired: Path, changes: Changes) -> None:
    with pytest.raises(ConfigError, match=r"PSNR needs paired data.*--best-metric kid"):
        start("cyclegan", changes(unpaired, best_metric="psnr"), "run")
    assert not Path("checkpoints").exists()


def test_a_metric_that_needs_larger_images_raises_config_error(paired: Path, changes: Changes) -> None:
    with pytest.raises(ConfigError, match="LPIPS needs images of at least 31 px; size is 16"):
        start("pix2pix", changes(paired, best_metric="lpips"), "run")


def test_a_single_test_image_raises_dataset_error(unpaired: Path, changes: Changes) -> None:
    for path in list_images(unpaired / "testB")[1:]:
        path.unlink()
    with pytest.raises(DatasetError, match=r"at least 2 test images of each domain; there are \[4, 1\]"):
        start("cyclegan", changes(unpaired, eval_every=1), "run")


def test_a_missing_network_is_an_error_only_for_the_best_metric(
    unpaired: Path,
    paired: Path,
    changes: Callable[..., Row],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def absent() -> None:
        raise ModelFileError("There are no weights.")

    monkeypatch.setattr(inception, "load_inception", absent)
    for settings in (changes(unpaired, eval_every=1), changes(unpaired, best_metric="kid")):
        with pytest.raises(ModelFileError, match="no weights"):
            start("cyclegan", settings, "run")
    trainer = train("pix2pix", changes(paired, steps=1, best_metric="psnr"), "pairs")
    assert "Evaluations leave out KID. There are no weights." in caplog.messages
    (row,) = metric_rows(trainer, "psnr")
    assert "AtoB/kid" not in row
    assert trainer.run.best_path.is_file()


def test_a_signal_during_validation_stops_the_training_after_a_save(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, eval_every=2, best_metric="kid"), "run")

    def raise_signal_at_a_to_b(name: str, *_: Any) -> Row:
        if name == "AtoB":
            signal.raise_signal(signal.SIGTERM)
        return {"kid": 1.0}

    assert trainer.validator is not None
    trainer.validator._compute_metrics = raise_signal_at_a_to_b  # type: ignore[method-assign]
    assert trainer.train() == signal.SIGTERM
    assert trainer.step == 2
    assert load_model_info(trainer.run.best_path).steps == 2


def test_the_model_card_and_models_info_distinguish_last_and_best(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=9, eval_every=2, best_metric="kid"), "run")
    script_kid(trainer, KIDS)
    trainer.train()
    card = (trainer.run.path / "card.md").read_text()
    assert "`best.safetensors`: KID 0.3 on 4 + 4 test images, after 4 steps" in card
    last, best = (CliRunner().invoke(app, ["models", "info", name]).stdout for name in ("run", "run/best"))
    assert "the last; the best is run/best" in last
    assert "the best by KID: 0.3 on 4 + 4 test images" in best
