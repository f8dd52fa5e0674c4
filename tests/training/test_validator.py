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
from i2i.checkpoints.run import load_bundle, load_header
from i2i.cli import app
from i2i.data.layout import pictures
from i2i.errors import BundleError, ConfigError, DatasetError
from i2i.images import read
from i2i.inference import sampler
from i2i.metrics import Inception, inception, kid
from i2i.metrics.paired import Lpips, psnr, ssim
from i2i.training.config import TrainingConfig
from i2i.training.trainer import Trainer
from i2i.training.validator import Best
from tests.conftest import write_pictures
from tests.metrics.standin import Means
from tests.training.test_trainer import Changes, assert_equal_states, resume, start

Row = dict[str, Any]


@pytest.fixture(autouse=True)
def quick_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inception, "_network", Means)


def measured(trainer: Trainer, metric: str = "kid") -> list[Row]:
    return [row for row in read_log(trainer.run.path) if any(name.endswith(f"/{metric}") for name in row)]


def trained(objective: str, changes: Row, name: str = "run") -> Trainer:
    trainer = start(objective, changes, name)
    assert trainer.train() is None
    return trainer


def test_without_being_asked_nothing_is_measured_and_no_network_loaded(
    unpaired: Path, changes: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception, "_network", None)
    trainer = trained("cyclegan", changes(unpaired, steps=2))
    assert not measured(trainer)
    assert not trainer.run.best_path.exists()


def test_evaluations_come_as_often_as_asked_and_after_the_last_step(unpaired: Path, changes: Changes) -> None:
    trainer = trained("cyclegan", changes(unpaired, steps=5, evaluate_every=2))
    assert [row["step"] for row in measured(trainer)] == [2, 4, 5]
    assert not trainer.run.best_path.exists()


def test_keeping_the_best_evaluates_as_often_as_it_samples_unless_told_otherwise() -> None:
    assert TrainingConfig(keep_best="kid", sample_every=7).evaluated_every() == 7
    assert TrainingConfig(keep_best="kid", evaluate_every=3).evaluated_every() == 3
    assert TrainingConfig().evaluated_every() == 0
    with pytest.raises(ConfigError, match="evaluate_every is 0; it must be above 0 where the best are kept"):
        TrainingConfig(keep_best="kid", evaluate_every=0)


def test_kid_is_that_of_the_shipped_translators_on_the_test_pictures(
    unpaired: Path, changes: Changes, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = trained("cyclegan", changes(unpaired, steps=2, evaluate_every=2))
    (row,) = measured(trainer)
    network = Inception("cpu", Means())
    for direction in ("AtoB", "BtoA"):
        translate = i2i.load("run", direction, device="cpu", precision="float32")
        out = [translate(read(path)) for path in pictures(unpaired / f"test{direction[0]}")]
        real = network.features(pictures(unpaired / f"test{direction[-1]}"))
        assert row[f"{direction}/kid"] == pytest.approx(kid(network.features(out), real), rel=1e-4)
    assert f"AtoB/kid {row['AtoB/kid']:.4g}" in capsys.readouterr().err.replace("\n", " ")


def test_pairs_are_measured_against_their_truth(paired: Path, changes: Changes, perceptual_weights: Path) -> None:
    write_pictures(paired / "test", 6, width=64, seed=3)
    for path in pictures(paired / "test"):
        read(path).resize((64, 32)).save(path)
    wanted = changes(paired, steps=1, evaluate_every=1)
    wanted["data"] |= {"size": 32, "jitter": 1.0, "direction": "BtoA"}
    (row,) = measured(trained("pix2pix", wanted), "psnr")
    translate = i2i.load("run", device="cpu", precision="float32")
    joined = [read(path) for path in pictures(paired / "test")]
    out = torch.stack([_pixels(translate(pair.crop((32, 0, 64, 32)))) for pair in joined])
    truth = torch.stack([_pixels(pair.crop((0, 0, 32, 32))) for pair in joined])
    for name, measure in (("psnr", psnr), ("ssim", ssim), ("lpips", Lpips("cpu"))):
        assert row[f"BtoA/{name}"] == pytest.approx(measure(out, truth).mean(), rel=1e-3)
    assert math.isfinite(row["BtoA/kid"])


def _pixels(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def test_a_generator_of_pictures_from_noise_is_measured_by_those_that_sample_paints(unpaired: Path) -> None:
    generator = {"network": "dcgan", "ngf": 2, "latent": 4}
    wanted = {
        "data": {"data": str(unpaired / "trainA"), "size": 16},
        "model": {"networks": {"generator": generator, "discriminator": {"ndf": 2, "norm": "none"}}},
        "training": {"steps": 2, "batch_size": 2, "device": "cpu", "precision": "float32", "keep_best": "kid"},
    }
    trainer = trained("gan", wanted)
    (row,) = measured(trainer)
    network = Inception("cpu", Means())
    painted = network.features(sampler.load("run", device="cpu", precision="float32")(range(5)))
    assert row["sample/kid"] == pytest.approx(kid(painted, network.features(pictures(unpaired / "trainA"))), rel=1e-4)
    assert load_header(trainer.run.best_path)["best"]["split"] == "train"


def scripted(trainer: Trainer, values: dict[int, float]) -> None:
    """Have the evaluation after each step find this KID."""
    exam = trainer.exam
    assert exam is not None
    exam._measured = lambda *_: {"kid": values[trainer.step]}  # type: ignore[method-assign]


KIDS = {2: 0.5, 4: 0.3, 6: 0.4, 8: 0.3, 9: math.nan}


def test_the_best_are_kept_beside_the_last_and_say_so(
    unpaired: Path, changes: Changes, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=9, evaluate_every=2, keep_best="kid"), "run")
    scripted(trainer, KIDS)
    trainer.train()
    best, last = load_bundle(trainer.run.best_path), load_bundle(trainer.run.bundle_path)
    told = {"metric": "kid", "value": 0.3, "steps": 4, "split": "test", "pictures": [4, 4]}
    assert best.header["best"] == told
    assert (best.header["steps"], last.header["steps"]) == (4, 9)
    assert "best" not in last.header
    other = trained("cyclegan", changes(unpaired, steps=4), "short")  # the same training, but for the fall of its lr
    assert best.tensors.keys() == load_bundle(other.run.bundle_path).tensors.keys()
    assert any(not torch.equal(value, last.tensors[name]) for name, value in best.tensors.items())
    assert capsys.readouterr().err.count("(the best so far)") == 2
    assert i2i.load("run/best", device="cpu").about["steps"] == 4
    assert i2i.load("checkpoints/run/best.safetensors", device="cpu").about["steps"] == 4


@pytest.mark.parametrize("crash_at", [3, 5, 7])
def test_a_training_cut_short_and_resumed_keeps_the_very_same_best(
    unpaired: Path, changes: Changes, crash_at: int
) -> None:
    wanted = changes(unpaired, steps=9, evaluate_every=2, keep_best="kid")
    whole = start("cyclegan", wanted, "whole")
    scripted(whole, KIDS)
    whole.train()
    part = start("cyclegan", wanted, "part")
    scripted(part, KIDS)
    train_step = part._train_step

    def crash(batch: Any) -> None:
        train_step(batch)
        if part.step == crash_at:
            raise KeyboardInterrupt  # nothing is saved on the way out

    part._train_step = crash  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        part.train()
    part.run.unlock()
    resumed = resume("cyclegan", {}, "part")
    assert resumed.step == (2 if crash_at == 3 else 4)  # where there was a new best, all was saved
    scripted(resumed, KIDS)
    resumed.train()
    assert_equal_states(whole, resumed)
    assert whole.run.best_path.read_bytes() == resumed.run.best_path.read_bytes()
    assert [row["step"] for row in measured(resumed)] == [2, 4, 6, 8, 9]


def test_measuring_changes_nothing_of_the_training(unpaired: Path, changes: Changes) -> None:
    often = trained("cyclegan", changes(unpaired, evaluate_every=1), "often")
    never = trained("cyclegan", changes(unpaired), "never")
    assert often.exam is not None
    assert_equal_states(often, never)


@pytest.mark.parametrize(
    ("settings", "kept"),
    [({}, True), ({"evaluate_pictures": 3}, False), ({"evaluate_every": 3}, True)],
    ids=["as before", "on fewer pictures", "at other times"],
)
def test_on_resume_the_best_goes_on_counting_where_it_is_measured_alike(
    unpaired: Path, changes: Changes, settings: Row, kept: bool
) -> None:
    trainer = trained("cyclegan", changes(unpaired, steps=2, evaluate_every=1, keep_best="kid"))
    trainer.run.unlock()
    resumed = resume("cyclegan", {"training": {"steps": 3, **settings}}, "run")
    assert trainer.exam is not None
    assert resumed.exam is not None
    assert resumed.exam.best == (trainer.exam.best if kept else None)


def test_a_best_whose_file_is_gone_is_forgotten(unpaired: Path, changes: Changes) -> None:
    trainer = trained("cyclegan", changes(unpaired, steps=2, keep_best="kid"))
    trainer.run.unlock()
    trainer.run.best_path.unlink()
    resumed = resume("cyclegan", {"training": {"steps": 3}}, "run")
    assert resumed.exam is not None
    assert resumed.exam.best is None


def test_less_is_better_of_kid_and_lpips_and_more_of_psnr_and_ssim() -> None:
    for metric, more in (("kid", False), ("lpips", False), ("psnr", True), ("ssim", True)):
        one, other = (Best(metric, value, 1, "test", [4, 4]) for value in (1.0, 2.0))
        assert other.beats(one) is more
        assert one.beats(other) is not more
        assert not one.beats(one)


def test_a_measure_that_needs_pairs_is_refused_without_them(unpaired: Path, changes: Changes) -> None:
    with pytest.raises(ConfigError, match=r"PSNR needs pairs.*--keep-best kid"):
        start("cyclegan", changes(unpaired, keep_best="psnr"), "run")
    assert not Path("checkpoints").exists()


def test_a_measure_that_needs_larger_pictures_is_refused(paired: Path, changes: Changes) -> None:
    with pytest.raises(ConfigError, match="LPIPS needs pictures of at least 31 px; size is 16"):
        start("pix2pix", changes(paired, keep_best="lpips"), "run")


def test_a_single_test_picture_is_too_few(unpaired: Path, changes: Changes) -> None:
    for path in pictures(unpaired / "testB")[1:]:
        path.unlink()
    with pytest.raises(DatasetError, match=r"at least 2 test pictures of each kind; there are \[4, 1\]"):
        start("cyclegan", changes(unpaired, evaluate_every=1), "run")


def test_a_network_that_cannot_be_had_stops_what_needs_it_and_is_left_out_of_the_rest(
    unpaired: Path,
    paired: Path,
    changes: Callable[..., Row],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def absent() -> None:
        raise BundleError("There are no weights.")

    monkeypatch.setattr(inception, "_network", absent)
    for wanted in (changes(unpaired, evaluate_every=1), changes(unpaired, keep_best="kid")):
        with pytest.raises(BundleError, match="no weights"):
            start("cyclegan", wanted, "run")
    trainer = trained("pix2pix", changes(paired, steps=1, keep_best="psnr"), "pairs")
    assert "Evaluations are without KID. There are no weights." in capsys.readouterr().err.replace("\n", " ")
    (row,) = measured(trainer, "psnr")
    assert "AtoB/kid" not in row
    assert trainer.run.best_path.is_file()


def test_a_signal_during_an_evaluation_still_ends_the_training_in_order(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, evaluate_every=2, keep_best="kid"), "run")

    def signalled(name: str, *_: Any) -> Row:
        if name == "AtoB":
            signal.raise_signal(signal.SIGTERM)
        return {"kid": 1.0}

    assert trainer.exam is not None
    trainer.exam._measured = signalled  # type: ignore[method-assign]
    assert trainer.train() == signal.SIGTERM
    assert trainer.step == 2
    assert load_header(trainer.run.best_path)["steps"] == 2


def test_the_card_and_models_info_tell_the_last_from_the_best(unpaired: Path, changes: Changes) -> None:
    trainer = start("cyclegan", changes(unpaired, steps=9, evaluate_every=2, keep_best="kid"), "run")
    scripted(trainer, KIDS)
    trainer.train()
    card = (trainer.run.path / "card.md").read_text()
    assert "`best.safetensors`, by KID (0.3 on 4 + 4 test pictures), after 4 steps" in card
    last, best = (CliRunner().invoke(app, ["models", "info", name]).stdout for name in ("run", "run/best"))
    assert "the last; the best is run/best" in last
    assert "the best by KID: 0.3 on 4 + 4 test pictures" in best
