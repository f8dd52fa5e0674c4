import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import i2i
from i2i.cli import app
from i2i.data.layout import find_dataset, list_images
from i2i.errors import ModelFileError, UsageError
from i2i.evaluation import parse_thresholds
from i2i.evaluation.text_report import format_report
from i2i.images import read
from i2i.inference import sampler
from i2i.metrics import Inception, fid, inception, kid
from i2i.metrics.paired import Lpips, mean_abs_error, psnr, ssim
from i2i.pretrained import find_weights
from i2i.pretrained.inception import WEIGHT_FILES
from i2i.training.trainer import Trainer
from tests.conftest import write_random_images
from tests.evaluation.conftest import evaluated
from tests.metrics.standin import ChannelStatistics
from tests.training.test_trainer import start

Trained = Callable[..., Trainer]
REAL = find_weights(WEIGHT_FILES[1])
HORSES = find_dataset("horse2zebra")


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]


def test_the_identity_is_measured_like_a_model(unpaired: Path) -> None:
    evaluation = evaluated("identity", data=str(unpaired)).to_json()
    network = Inception("cpu", ChannelStatistics())
    a, b = (network.features(list_images(unpaired / name)) for name in ("testA", "testB"))
    assert evaluation["metrics"]["fid"] == pytest.approx(fid(a, b))
    assert evaluation["metrics"]["kid"] == pytest.approx(kid(a, b))
    assert evaluation["metrics"]["change"] == 0
    assert evaluation["protocol"]["size"] == "as they are"
    assert [row["kind"] for row in evaluation["directions"][0]["rows"]] == ["model", "ceiling"]
    json.dumps(evaluation, allow_nan=False)


def test_real_images_of_another_split_are_the_ceiling(unpaired: Path) -> None:
    (result,) = evaluated("identity", data=str(unpaired)).directions
    network = Inception("cpu", ChannelStatistics())
    train, test = (network.features(list_images(unpaired / name)) for name in ("trainB", "testB"))
    assert result.rows[-1].title == "real images of the train split"
    assert result.rows[-1].values["kid"].value == pytest.approx(kid(train, test))


def test_metrics_are_those_of_the_translators_outputs(trained: Trained, unpaired: Path) -> None:
    trained()
    evaluation = evaluated("run")
    assert [result.direction for result in evaluation.directions] == ["AtoB", "BtoA"]
    forward, backward = (i2i.load("run", d, device="cpu", precision="float32") for d in ("AtoB", "BtoA"))
    inputs = [read(path) for path in list_images(unpaired / "testA")]
    out = [forward(image) for image in inputs]
    network = Inception("cpu", ChannelStatistics())
    row = next(row for row in evaluation.directions[0].rows if row.kind == "model")
    assert row.title == "run (last, 3 steps)"
    assert row.values["kid"].value == pytest.approx(
        kid(network.features(out), network.features(list_images(unpaired / "testB"))), rel=1e-4
    )
    change = [mean_abs_error(as_tensor(a), as_tensor(b))[0] for a, b in zip(inputs, out, strict=True)]
    cycle = [mean_abs_error(as_tensor(a), as_tensor(backward(b)))[0] for a, b in zip(inputs, out, strict=True)]
    assert row.values["change"].value == pytest.approx(np.mean(change))
    assert row.values["cycle"].value == pytest.approx(np.mean(cycle), rel=1e-3)
    assert [row.kind for row in evaluation.directions[0].rows] == ["floor", "model", "ceiling"]
    assert evaluation.directions[0].ranked_by == "kid"


def test_paired_data_are_compared_with_their_targets(
    paired: Path, changes: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    wanted = changes(paired, steps=2)
    wanted["data"]["direction"] = "BtoA"
    start("pix2pix", wanted, "pairs").train()
    evaluation = evaluated("pairs", size=48)
    (result,) = evaluation.directions
    assert result.direction == "BtoA"
    assert result.ranked_by == "lpips"
    joined = [read(path) for path in list_images(paired / "test")]
    halves = [[half.resize((48, 48), Image.Resampling.BICUBIC) for half in
               (pair.crop((16, 0, 32, 16)), pair.crop((0, 0, 16, 16)))] for pair in joined]  # fmt: skip
    translate, look = i2i.load("pairs", device="cpu", precision="float32"), Lpips("cpu")
    baseline, row, _ = result.rows
    for name, measure in (("psnr", psnr), ("ssim", ssim), ("lpips", look)):
        values = [measure(as_tensor(translate(a)), as_tensor(b))[0] for a, b in halves]
        assert row.values[name].value == pytest.approx(np.mean(values), rel=1e-3)
        baseline_values = [measure(as_tensor(a), as_tensor(b))[0] for a, b in halves]
        assert baseline.values[name].value == pytest.approx(np.mean(baseline_values), rel=1e-3)
    per_image = evaluation.to_json()["directions"][0]["rows"][1]["pictures"]
    assert [item["name"] for item in per_image] == ["000", "001", "002", "003"]
    assert "ms_ssim" not in row.values  # too small for it
    assert "PSNR dB" in format_report(evaluation)


def test_images_from_noise_are_compared_with_photos_and_have_a_noise_baseline(unpaired: Path) -> None:
    for name in ("train", "test"):
        write_random_images(unpaired.parent / "photos" / name, 5)
    generator = {"network": "dcgan", "ngf": 2, "latent": 4}
    start("gan", {
        "data": {"data": str(unpaired.parent / "photos"), "size": 16},
        "model": {"networks": {"generator": generator, "discriminator": {"ndf": 2, "norm": "none"}}},
        "training": {"steps": 2, "batch_size": 2, "device": "cpu", "precision": "float32"},
    }, "generator").train()  # fmt: skip
    (result,) = evaluated("generator", gallery=True).directions
    assert [row.title for row in result.rows] == [
        "noise",
        "generator (last, 2 steps)",
        "real images of the train split",
    ]
    network = Inception("cpu", ChannelStatistics())
    generated = network.features(sampler.load("generator", device="cpu", precision="float32")(range(5)))
    real = network.features(list_images(unpaired.parent / "photos" / "test"))
    assert result.rows[1].values["kid"].value == pytest.approx(kid(generated, real), rel=1e-4)
    assert result.gallery is not None
    assert [item.name for item in result.gallery.random] == [f"seed {k}" for k in range(5)]
    with pytest.raises(UsageError, match="generator generates images from noise and cannot be compared"):
        evaluated("generator", "identity")


def test_several_models_are_compared_in_one_table(trained: Trained) -> None:
    trained("one")
    trained("two", seed=1)
    (result,) = evaluated("one", "two", direction="AtoB").directions
    assert [row.name for row in result.rows if row.kind == "model"] == ["one", "two"]
    assert len(result.comparisons) == 2
    sentence = result.comparisons[0].describe()
    assert "no verdict" in sentence
    assert sentence in format_report(evaluated("one", "two", direction="AtoB"))


def test_features_of_real_images_are_cached_until_an_image_changes(
    unpaired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []
    original = Inception.features

    def counted(self: Inception, images: Any, progress: Any = lambda done: None) -> Any:
        measured.append(len(images))
        return original(self, images, progress)

    monkeypatch.setattr(Inception, "features", counted)
    first = evaluated("identity", data=str(unpaired)).to_json()
    assert measured == [4, 4, 4]
    assert evaluated("identity", data=str(unpaired)).to_json()["metrics"] == first["metrics"]
    assert measured == [4, 4, 4]
    path = unpaired / "testB" / "001.png"
    path.write_bytes((unpaired / "testB" / "002.png").read_bytes())
    changed = evaluated("identity", data=str(unpaired)).to_json()
    assert measured == [4, 4, 4, 4]
    assert changed["metrics"]["kid"] != first["metrics"]["kid"]
    assert changed["protocol"]["fingerprint"] != first["protocol"]["fingerprint"]


def test_logits_give_an_inception_score(unpaired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for domain in ("testA", "testB"):
        write_random_images(unpaired / domain, 12)
    monkeypatch.setattr(inception, "load_inception", lambda: ChannelStatistics(logits=True))
    evaluation = evaluated("identity", data=str(unpaired))
    assert evaluation.directions[0].rows[0].values["is"].value >= 1
    assert not evaluation.notes


def test_missing_lpips_weights_leave_lpips_out_with_a_note(unpaired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(device: str) -> None:
        raise ModelFileError("There are no weights.")

    monkeypatch.setattr("i2i.evaluation.evaluate.Lpips", absent)
    evaluation = evaluated("identity", data=str(unpaired))
    assert "LPIPS is left out. There are no weights." in evaluation.notes
    assert "change_lpips" not in evaluation.to_json()["metrics"]
    assert evaluation.to_json()["protocol"]["lpips_hash"] == ""


def test_missing_inception_weights_are_an_error(unpaired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise ModelFileError("There are no weights.")

    monkeypatch.setattr(inception, "load_inception", absent)
    with pytest.raises(ModelFileError, match="no weights"):
        evaluated("identity", data=str(unpaired))


def test_the_default_size_is_the_largest_training_size(trained: Trained) -> None:
    trained()
    assert evaluated("run").directions[0].protocol.size == "16×16 px, stretched, bicubic"
    assert evaluated("run", size=0).directions[0].protocol.size == "as they are"
    assert (
        evaluated("run", size=20, resize="cover")
        .directions[0]
        .protocol.size.startswith("20×20 px, by the shorter side")
    )


def test_thresholds_are_checked_for_every_model_and_direction(trained: Trained) -> None:
    trained()
    evaluation = evaluated("run")
    assert evaluation.threshold_violations(parse_thresholds([], ["kid=1000"])) == []
    assert len(evaluation.threshold_violations(parse_thresholds([], ["kid=-1000"]))) == 2
    assert evaluation.threshold_violations(parse_thresholds([], ["kid=-1000"]))[0].startswith(
        "run (last, 3 steps), AtoB: KID is "
    )
    with pytest.raises(UsageError, match="PSNR is not measured on these data; choose from fid, kid, "):
        evaluation.threshold_violations(parse_thresholds(["psnr=3"], []))


def test_notes_name_models_that_return_their_input_or_lack_a_direction(
    unpaired: Path, changes: Callable[..., dict[str, Any]], trained: Trained
) -> None:
    trained("both")
    wanted = changes(unpaired, steps=1)
    wanted["model"] = {"discriminator": {"ndf": 2, "receptive_field": 16}, "nce_layers": "0"}
    wanted["model"]["generator"] = {"network": "resnet", "blocks": 1, "ngf": 2}
    start("cut", wanted, "one-way").train()
    evaluation = evaluated("both", "one-way")
    assert "one-way (last, 1 step) has no direction BtoA and is missing in its table." in evaluation.notes
    assert [row.name for row in evaluation.directions[1].rows if row.kind == "model"] == ["both"]
    assert not any("nearly equal" in note for note in evaluation.notes)
    lazy = changes(unpaired, steps=1)
    lazy["model"]["generator"] = {"network": "identity"}
    start("cyclegan", lazy, "lazy").train()
    evaluation = evaluated("lazy", direction="AtoB")
    assert (
        "lazy (last, 1 step), AtoB: outputs are nearly equal to the inputs (mean difference 0.0 of 255 grey levels)."
        in evaluation.notes
    )


def test_an_unreadable_image_is_named(unpaired: Path) -> None:
    path = unpaired / "testA" / "001.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(i2i.errors.ImageError, match=r"001\.png"):
        evaluated("identity", data=str(unpaired))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(REAL is None or HORSES is None, reason="needs the Inception weights and horse2zebra")
def test_horses_and_zebras_have_the_fid_and_the_kid_of_torch_fidelity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The FID of the first 12 and 15 test images is 260.88, and that of all is 236.50."""
    from torch_fidelity.metric_kid import kid_features_to_metric

    assert HORSES is not None
    counts = {"trainA": 2, "trainB": 2, "testA": 12, "testB": 15}  # two images are enough for the ceiling
    for name, count in counts.items():
        (tmp_path / "few" / name).mkdir(parents=True)
        for path in list_images(HORSES / name)[:count]:
            (tmp_path / "few" / name / path.name).symlink_to(path)
    monkeypatch.setattr("i2i.evaluation.evaluate.Lpips", lambda device: None)
    evaluation = CliRunner().invoke(
        app, ["evaluate", "identity", "--data", str(tmp_path / "few"), "--device", "cpu", "--json"]
    )
    output = json.loads(evaluation.stdout)
    assert output["metrics"]["fid"] == pytest.approx(260.88, abs=0.05)
    assert (output["protocol"]["inputs"], output["protocol"]["real"]) == (12, 15)
    arrays = [torch.from_numpy(np.load(path)) for path in Path("datasets/.packed/features").glob("*.npy")]
    horses, zebras = (next(array for array in arrays if len(array) == count) for count in (12, 15))
    settings = {"kid_subsets": 1, "kid_subset_size": 12, "verbose": False}
    theirs = kid_features_to_metric(horses, zebras[:12], **settings)["kernel_inception_distance_mean"]
    assert kid(horses.numpy(), zebras[:12].numpy()) == pytest.approx(theirs, rel=1e-4)
    assert output["metrics"]["kid"] == pytest.approx(theirs, abs=0.01)
