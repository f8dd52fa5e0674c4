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
from i2i.data.layout import locate, pictures
from i2i.errors import BundleError, ConfigError, DatasetError, UsageError
from i2i.evaluation import Evaluation, Options, evaluate, limits, text
from i2i.evaluation.models import Setting
from i2i.images import read
from i2i.inference import sampler
from i2i.metrics import Inception, fid, inception, kid
from i2i.metrics.inception import WEIGHTS
from i2i.metrics.paired import Lpips, levels, psnr, ssim
from i2i.pretrained import find_weights
from i2i.training.trainer import Trainer
from tests.conftest import write_pictures
from tests.metrics.standin import Means
from tests.training.test_trainer import start

Trained = Callable[..., Trainer]
CPU = Setting("cpu", "float32")
REAL = find_weights(WEIGHTS[1])
HORSES = locate("horse2zebra")


def judged(*models: str, **asked: Any) -> Evaluation:
    return evaluate(Options(models=models, setting=CPU, **asked))


def pixels(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]


def test_the_input_left_alone_is_judged_as_if_it_were_the_output(unpaired: Path) -> None:
    found = judged("identity", data=str(unpaired)).to_json()
    network = Inception("cpu", Means())
    a, b = (network.features(pictures(unpaired / name)) for name in ("testA", "testB"))
    assert found["metrics"]["fid"] == pytest.approx(fid(a, b))
    assert found["metrics"]["kid"] == pytest.approx(kid(a, b))
    assert found["metrics"]["change"] == 0
    assert found["protocol"]["size"] == "as they are"
    assert [row["kind"] for row in found["directions"][0]["rows"]] == ["model", "ceiling"]
    json.dumps(found, allow_nan=False)


def test_real_pictures_of_another_split_are_the_ceiling(unpaired: Path) -> None:
    (section,) = judged("identity", data=str(unpaired)).sections
    network = Inception("cpu", Means())
    train, test = (network.features(pictures(unpaired / name)) for name in ("trainB", "testB"))
    assert section.rows[-1].title == "real pictures of the train split"
    assert section.rows[-1].values["kid"].value == pytest.approx(kid(train, test))


def test_a_model_is_judged_by_what_converting_gives(trained: Trained, unpaired: Path) -> None:
    trained()
    found = judged("run")
    assert [section.direction for section in found.sections] == ["AtoB", "BtoA"]
    there, back = (i2i.load("run", d, device="cpu", precision="float32") for d in ("AtoB", "BtoA"))
    inputs = [read(path) for path in pictures(unpaired / "testA")]
    out = [there(image) for image in inputs]
    network = Inception("cpu", Means())
    row = next(row for row in found.sections[0].rows if row.kind == "model")
    assert row.title == "run (last, 3 steps)"
    assert row.values["kid"].value == pytest.approx(
        kid(network.features(out), network.features(pictures(unpaired / "testB"))), rel=1e-4
    )
    change = [levels(pixels(a), pixels(b))[0] for a, b in zip(inputs, out, strict=True)]
    cycle = [levels(pixels(a), pixels(back(b)))[0] for a, b in zip(inputs, out, strict=True)]
    assert row.values["change"].value == pytest.approx(np.mean(change))
    assert row.values["cycle"].value == pytest.approx(np.mean(cycle), rel=1e-3)
    assert [row.kind for row in found.sections[0].rows] == ["floor", "model", "ceiling"]
    assert found.sections[0].by == "kid"


def test_pairs_are_held_against_their_truth(
    paired: Path, changes: Callable[..., dict[str, Any]], tmp_path: Path
) -> None:
    wanted = changes(paired, steps=2)
    wanted["data"]["direction"] = "BtoA"
    start("pix2pix", wanted, "pairs").train()
    found = judged("pairs", size=48)
    (section,) = found.sections
    assert section.direction == "BtoA"
    assert section.by == "lpips"
    joined = [read(path) for path in pictures(paired / "test")]
    halves = [[half.resize((48, 48), Image.Resampling.BICUBIC) for half in
               (pair.crop((16, 0, 32, 16)), pair.crop((0, 0, 16, 16)))] for pair in joined]  # fmt: skip
    translate, look = i2i.load("pairs", device="cpu", precision="float32"), Lpips("cpu")
    floor, row, _ = section.rows
    for name, measure in (("psnr", psnr), ("ssim", ssim), ("lpips", look)):
        each = [measure(pixels(translate(a)), pixels(b))[0] for a, b in halves]
        assert row.values[name].value == pytest.approx(np.mean(each), rel=1e-3)
        alone = [measure(pixels(a), pixels(b))[0] for a, b in halves]
        assert floor.values[name].value == pytest.approx(np.mean(alone), rel=1e-3)
    each = found.to_json()["directions"][0]["rows"][1]["pictures"]
    assert [one["name"] for one in each] == ["000", "001", "002", "003"]
    assert "ms_ssim" not in row.values  # too small for it
    assert "PSNR dB" in text(found)


def test_pictures_from_noise_are_held_against_photos_and_against_noise(unpaired: Path) -> None:
    for name in ("train", "test"):
        write_pictures(unpaired.parent / "photos" / name, 5)
    generator = {"network": "dcgan", "ngf": 2, "latent": 4}
    start("gan", {
        "data": {"data": str(unpaired.parent / "photos"), "size": 16},
        "model": {"networks": {"generator": generator, "discriminator": {"ndf": 2, "norm": "none"}}},
        "training": {"steps": 2, "batch_size": 2, "device": "cpu", "precision": "float32"},
    }, "painter").train()  # fmt: skip
    (section,) = judged("painter", gallery=True).sections
    assert [row.title for row in section.rows] == [
        "noise",
        "painter (last, 2 steps)",
        "real pictures of the train split",
    ]
    network = Inception("cpu", Means())
    painted = network.features(sampler.load("painter", device="cpu", precision="float32")(range(5)))
    real = network.features(pictures(unpaired.parent / "photos" / "test"))
    assert section.rows[1].values["kid"].value == pytest.approx(kid(painted, real), rel=1e-4)
    assert section.gallery is not None
    assert [one.name for one in section.gallery.random] == [f"seed {k}" for k in range(5)]
    with pytest.raises(UsageError, match="painter paints pictures from noise and cannot be compared"):
        judged("painter", "identity")


def test_several_models_stand_in_one_table_and_are_compared(trained: Trained) -> None:
    trained("one")
    trained("two", seed=1)
    (section,) = judged("one", "two", direction="AtoB").sections
    assert [row.name for row in section.rows if row.kind == "model"] == ["one", "two"]
    assert len(section.comparisons) == 2
    assert (
        "within noise" in text(judged("one", "two", direction="AtoB"))
        or "is better than" in section.comparisons[0].text()
    )


def test_the_second_evaluation_looks_at_real_pictures_no_more_unless_one_changed(
    unpaired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    plain = Inception.features

    def counted(self: Inception, images: Any, progress: Any = lambda done: None) -> Any:
        looked.append(len(images))
        return plain(self, images, progress)

    monkeypatch.setattr(Inception, "features", counted)
    first = judged("identity", data=str(unpaired)).to_json()
    assert looked == [4, 4, 4]
    assert judged("identity", data=str(unpaired)).to_json()["metrics"] == first["metrics"]
    assert looked == [4, 4, 4]
    path = unpaired / "testB" / "001.png"
    path.write_bytes((unpaired / "testB" / "002.png").read_bytes())
    changed = judged("identity", data=str(unpaired)).to_json()
    assert looked == [4, 4, 4, 4]
    assert changed["metrics"]["kid"] != first["metrics"]["kid"]
    assert changed["protocol"]["fingerprint"] != first["protocol"]["fingerprint"]


def test_with_labels_there_is_an_inception_score(unpaired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_pictures(unpaired / "testA", 12)
    monkeypatch.setattr(inception, "_network", lambda: Means(logits=True))
    found = judged("identity", data=str(unpaired))
    assert found.sections[0].rows[0].values["is"].value >= 1
    assert not found.notes


def test_without_lpips_the_rest_is_measured_and_that_is_said(unpaired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(device: str) -> None:
        raise BundleError("There are no weights.")

    monkeypatch.setattr("i2i.evaluation.evaluate.Lpips", absent)
    found = judged("identity", data=str(unpaired))
    assert "LPIPS is left out. There are no weights." in found.notes
    assert "change_lpips" not in found.to_json()["metrics"]
    assert found.to_json()["protocol"]["lpips_hash"] == ""


def test_without_the_network_of_fid_there_is_no_evaluation(unpaired: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent() -> None:
        raise BundleError("There are no weights.")

    monkeypatch.setattr(inception, "_network", absent)
    with pytest.raises(BundleError, match="no weights"):
        judged("identity", data=str(unpaired))


def test_pictures_are_brought_to_the_largest_training_size_unless_told_otherwise(trained: Trained) -> None:
    trained()
    assert judged("run").sections[0].protocol.size == "16×16 px, stretched, bicubic"
    assert judged("run", size=0).sections[0].protocol.size == "as they are"
    assert judged("run", size=20, fit="cover").sections[0].protocol.size.startswith("20×20 px, by the shorter side")


def test_limits_are_held_by_every_model_in_every_direction(trained: Trained) -> None:
    trained()
    found = judged("run")
    assert found.broken(limits([], ["kid=1000"])) == []
    assert len(found.broken(limits([], ["kid=-1000"]))) == 2
    assert found.broken(limits([], ["kid=-1000"]))[0].startswith("run (last, 3 steps), AtoB: KID is ")
    with pytest.raises(UsageError, match="PSNR is not measured here; there is fid, kid, "):
        found.broken(limits(["psnr=3"], []))


def test_a_model_that_does_nothing_and_one_that_lacks_a_direction_are_pointed_out(
    unpaired: Path, changes: Callable[..., dict[str, Any]], trained: Trained
) -> None:
    trained("both")
    wanted = changes(unpaired, steps=1)
    wanted["model"] = {"discriminator": {"ndf": 2, "receptive_field": 16}, "nce_layers": "0"}
    wanted["model"]["generator"] = {"network": "resnet", "blocks": 1, "ngf": 2}
    start("cut", wanted, "one-way").train()
    found = judged("both", "one-way")
    assert "one-way (last, 1 step) has no direction BtoA, and no line in its table." in found.notes
    assert [row.name for row in found.sections[1].rows if row.kind == "model"] == ["both"]
    assert not any("nearly the inputs" in note for note in found.notes)
    lazy = changes(unpaired, steps=1)
    lazy["model"]["generator"] = {"network": "identity"}
    start("cyclegan", lazy, "lazy").train()
    found = judged("lazy", direction="AtoB")
    assert "lazy (last, 1 step), AtoB: outputs are nearly the inputs (0.0 grey levels of 255 apart)." in found.notes


@pytest.mark.parametrize(
    ("asked", "error", "says"),
    [
        ({"models": []}, UsageError, "Which model"),
        ({"models": ["identity"]}, UsageError, "On which pictures"),
        ({"models": ["nothing"]}, BundleError, "No model 'nothing'"),
        ({"models": ["identity"], "data": "nowhere"}, DatasetError, "No dataset 'nowhere'"),
        ({"models": ["identity"], "data": "two", "by": "speed"}, ConfigError, "by is 'speed'; it must be one of fid"),
        ({"models": ["identity"], "data": "two", "by": "change"}, ConfigError, "by is 'change'"),
        ({"models": ["identity"], "data": "two", "by": "psnr"}, UsageError, "PSNR is not measured here"),
        ({"models": ["identity"], "data": "two", "count": 1}, ConfigError, "count is 1; it must be 2 or above"),
        ({"models": ["identity"], "data": "two", "size": 3}, ConfigError, "size is 3; it must be 0"),
    ],
)
def test_what_cannot_be_done_is_said(unpaired: Path, asked: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        evaluate(Options(setting=CPU, **asked))


def test_a_picture_that_cannot_be_read_is_named(unpaired: Path) -> None:
    path = unpaired / "testA" / "001.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(i2i.errors.PictureError, match=r"001\.png"):
        judged("identity", data=str(unpaired))


def test_the_gallery_shows_the_same_random_pictures_for_all_and_each_models_best_and_worst(
    paired: Path, changes: Callable[..., dict[str, Any]]
) -> None:
    write_pictures(paired / "test", 9, width=32, seed=5)
    start("pix2pix", changes(paired, steps=1), "one").train()
    start("pix2pix", changes(paired, steps=1, seed=1), "two").train()
    (section,) = judged("one", "two", gallery=True, seed=3).sections
    gallery = section.gallery
    assert gallery is not None
    titles = ["one (last, 1 step)", "two (last, 1 step)"]
    assert len(gallery.random) == 6
    assert all(list(one.outputs) == titles for one in gallery.random)
    name = gallery.random[0].name
    joined = read(paired / "test" / f"{name}.png")
    assert gallery.random[0].input == joined.crop((0, 0, 16, 16))
    assert gallery.random[0].truth == joined.crop((16, 0, 32, 16))
    each = section.rows[1].measured
    assert each is not None
    order = np.argsort(-each.each["psnr"])  # 16 pixels are too few for LPIPS
    assert [one.name for one in gallery.best[titles[0]]] == [section.names[k] for k in order[:4]]
    assert [one.name for one in gallery.worst[titles[0]]] == [section.names[k] for k in order[::-1][:4]]
    again = judged("one", "two", gallery=True, seed=4).sections[0].gallery
    assert again is not None
    assert [one.name for one in again.random] != [one.name for one in gallery.random]


def test_text_lists_rows_with_half_intervals_and_the_fingerprint(unpaired: Path) -> None:
    found = judged("identity", data=str(unpaired))
    shown = text(found)
    assert f"protocol {found.sections[0].protocol.fingerprint()}" in shown
    assert "input left alone" in shown
    assert "0.0 ±0.0" in shown
    assert "note: The Inception Score is left out" in shown


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(REAL is None or HORSES is None, reason="the weights and horse2zebra are not both here")
def test_horses_left_alone_are_at_an_fid_of_236_50_from_zebras_and_kid_is_the_librarys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torch_fidelity.metric_kid import kid_features_to_metric

    assert HORSES is not None
    for name in ("trainA", "trainB"):  # two pictures are enough of a ceiling here
        (tmp_path / "few" / name).mkdir(parents=True)
        for path in pictures(HORSES / name)[:2]:
            (tmp_path / "few" / name / path.name).symlink_to(path)
    for name in ("testA", "testB"):
        (tmp_path / "few" / name).symlink_to(HORSES / name)
    monkeypatch.setattr("i2i.evaluation.evaluate.Lpips", lambda device: None)
    found = CliRunner().invoke(
        app, ["evaluate", "identity", "--data", str(tmp_path / "few"), "--device", "cpu", "--json"]
    )
    told = json.loads(found.stdout)
    assert told["metrics"]["fid"] == pytest.approx(236.50, abs=0.05)
    assert (told["protocol"]["inputs"], told["protocol"]["real"]) == (120, 140)
    arrays = [torch.from_numpy(np.load(path)) for path in Path("datasets/.packed/features").glob("*.npy")]
    horses, zebras = (next(array for array in arrays if len(array) == count) for count in (120, 140))
    some = {"kid_subsets": 1, "kid_subset_size": 120, "verbose": False}
    theirs = kid_features_to_metric(horses, zebras[:120], **some)["kernel_inception_distance_mean"]
    assert kid(horses.numpy(), zebras[:120].numpy()) == pytest.approx(theirs, rel=1e-4)
    assert told["metrics"]["kid"] == pytest.approx(theirs, abs=0.01)
