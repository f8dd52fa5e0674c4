from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.checkpoints.model_file import load_model_info
from i2i.data.audit import audit
from i2i.data.config import PairedConfig
from i2i.data.dataset import TrainingDataset
from i2i.data.image_cache import build_image_cache
from i2i.data.layout import detect_layout
from i2i.data.resize import resize_item
from i2i.errors import ConfigError, DatasetError
from i2i.inference.loading import load
from i2i.recipes import launch
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer
from tests.conftest import random_image
from tests.evaluation.conftest import evaluated, quick_networks  # noqa: F401
from tests.training.test_trainer import Changes, resume


def save_pairs(root: Path, scale: int, count: int = 3, side: int = 32, *, split: str = "train", extra: int = 0) -> Path:
    """Save pairs: each pixel of A is a square of ``scale`` equal pixels of B, plus ``extra`` rows and columns."""
    for index in range(count):
        small = np.asarray(random_image(index, side // scale, side // scale))
        large = np.pad(small.repeat(scale, 0).repeat(scale, 1), ((0, extra), (0, extra), (0, 0)))
        for name, pixels in (("A", small), ("B", large)):
            path = root / name / split / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return root


def start(method: str, settings: dict[str, Any], name: str) -> Trainer:
    return launch.new_training(method, None, settings, name, TrainingProgress())


def settings_for(changes: Changes, root: Path, **data: Any) -> dict[str, Any]:
    settings = changes(root, steps=1)
    restorer = {"network": "restorer", "width": 2, "levels": 1, "depth": 1}
    return {"data": {"data": str(root), "size": 16, **data}, "model": {"generator": restorer},
            "training": settings["training"]}  # fmt: skip


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_pairs_with_a_constant_factor_are_a_superres_set(tmp_path: Path, scale: int) -> None:
    layout = detect_layout(save_pairs(tmp_path, scale, side=36, extra=1))
    assert (layout.name, layout.sizes.scales) == ("superres", (1, scale))
    assert (layout.sizes.scale(1), layout.sizes.scale(0)) == (scale, 1)
    assert detect_layout(tmp_path, name="pairs").sizes.scales == (1, 1)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_both_crops_of_a_pair_show_the_same_part(tmp_path: Path, cached: bool, direction: str) -> None:
    save_pairs(tmp_path, 4, extra=3)
    if direction == "BtoA":
        (tmp_path / "A").rename(tmp_path / "C")
        (tmp_path / "B").rename(tmp_path / "A")
        (tmp_path / "C").rename(tmp_path / "B")
    layout = detect_layout(tmp_path, "paired")
    config = PairedConfig(size=16, direction=direction)
    cache = build_image_cache(layout, config.load_size, "stretch") if cached else None
    dataset = TrainingDataset(layout, config, 0, cache)
    for small, large in (*(dataset[k] for k in range(6)), *zip(*dataset.sample_batch(2), strict=True)):
        assert (small.shape, large.shape) == ((3, 4, 4), (3, 16, 16))
        assert torch.equal(small.repeat_interleave(4, 1).repeat_interleave(4, 2), large)


def test_pairs_below_the_size_of_the_crops_are_enlarged_alike() -> None:
    low, high = resize_item([random_image(0, 9, 8), random_image(0, 37, 34)], 64, "stretch", (1, 4))
    assert (min(high.size), high.size) == (64, (4 * low.width, 4 * low.height))


def test_a_pair_of_another_scale_is_named_with_its_sizes() -> None:
    with pytest.raises(DatasetError, match="8x8 and 16x16 pixels is no pair for super-resolution x4"):
        resize_item([random_image(0, 8, 8), random_image(0, 16, 16)], 16, "stretch", (1, 4))


@pytest.mark.parametrize(("first", "second"), [(2, 4), (5, 5)])
def test_a_factor_that_varies_or_is_not_learnt_is_an_error_in_words_by_train_and_check(
    tmp_path: Path, changes: Changes, first: int, second: int
) -> None:
    save_pairs(tmp_path, first, 1, side=40)
    for path, side in ((tmp_path / "A/train/9.png", 40 // second), (tmp_path / "B/train/9.png", 40)):
        random_image(9, side, side).save(path)
    with pytest.raises(DatasetError, match=r"no constant factor of 2, 3 or 4 .*--layout pairs") as error:
        start("regression", settings_for(changes, tmp_path), "run")
    (finding,) = (finding for finding in audit(tmp_path).findings if finding.level == "error")
    assert finding.text in str(error.value)
    start("regression", settings_for(changes, tmp_path, layout="pairs"), "run")
    with pytest.raises(DatasetError, match="is no super-resolution set"):
        start("regression", settings_for(changes, tmp_path, layout="superres"), "other")


@pytest.mark.parametrize("method", ["regression", "pix2pix"])
def test_a_model_of_superres_pairs_enlarges_and_is_evaluated_on_pairs_and_photos(
    tmp_path: Path, changes: Changes, method: str
) -> None:
    root = save_pairs(save_pairs(tmp_path / "d", 2), 2, split="test", extra=1)
    settings = settings_for(changes, root, size=32)
    if method == "pix2pix":
        settings["model"]["discriminator"] = {"ndf": 2, "receptive_field": 16}
    trainer = start(method, settings, "run")
    trainer.train()
    trainer.run.unlock()
    info = load_model_info(trainer.run.weights_path)
    assert (info.generator["network"], info.generator["scale"], info.generator["unshuffle"]) == ("restorer", 2, 1)
    assert load("run", device="cpu")(random_image(0, 9, 7)).size == (18, 14)
    (result,) = evaluated("run").directions
    assert {row.title: "psnr" in row.values for row in result.rows if row.kind != "ceiling"} == {
        "unchanged input": True, "run (last, 1 step)": True,
    }  # fmt: skip
    (photos,) = evaluated("run", data=str(root / "B")).directions
    assert photos.protocol.degradation == "superres ×2, in 8 bits"
    assert resume(method, {"training": {"steps": 2}}, "run").dataset.superres_scale == 2


def test_another_generator_than_the_restorer_is_refused_for_superres_pairs(tmp_path: Path, changes: Changes) -> None:
    settings = settings_for(changes, save_pairs(tmp_path, 2))
    settings["model"] = {"generator": {"network": "unet"}}
    with pytest.raises(ConfigError, match="only --generator restorer and compact enlarge images; found unet"):
        start("pix2pix", settings, "run")


def test_inputs_that_are_larger_than_their_targets_are_resized_as_before(tmp_path: Path, changes: Changes) -> None:
    trainer = start("regression", settings_for(changes, save_pairs(tmp_path, 2), direction="BtoA"), "run")
    assert [images.shape for images in trainer.dataset[0]] == [(3, 16, 16), (3, 16, 16)]


@pytest.mark.parametrize(("small", "large"), [("small", "large"), ("zoo", "ark"), ("lores", "hires"), ("web", "print")])
@pytest.mark.parametrize("split", ["", "train"])
def test_the_small_images_are_the_inputs_whatever_the_names_of_the_folders(
    tmp_path: Path, small: str, large: str, split: str
) -> None:
    save_pairs(tmp_path, 2, split=split)
    (tmp_path / "A").rename(tmp_path / small)
    (tmp_path / "B").rename(tmp_path / large)
    layout = detect_layout(tmp_path, "paired")
    assert layout.sizes.scales == (1, 2)
    assert [folder.relative_to(tmp_path).parts[0] for folder in layout.folders["train"]] == [small, large]


def test_a_training_to_smaller_targets_says_that_it_learns_no_superresolution(
    tmp_path: Path, changes: Changes, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = start("regression", settings_for(changes, save_pairs(tmp_path / "pairs", 2), direction="BtoA"), "down")
    trainer.run.unlock()
    assert "targets are 2 times smaller than inputs" in caplog.text
    assert "--direction AtoB learns ×2" in caplog.text
