import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from i2i.checkpoints.model_file import load_model_info
from i2i.checkpoints.run import Run
from i2i.config import from_json
from i2i.data.config import DataConfig, DirectedConfig, PairedConfig, UnpairedConfig
from i2i.data.dataset import TrainingDataset
from i2i.data.layout import detect_layout
from i2i.data.loader import data_loader
from i2i.data.preview import preview
from i2i.errors import ConfigError
from i2i.recipes import launch
from i2i.training.progress import TrainingProgress
from tests.augmentations.pipelines import RANDOM_PIPELINE, compose, text, transform
from tests.conftest import SIZE, random_image, write_random_images

SMALL: dict[str, Any] = {"size": SIZE, "resize_scale": 18 / 16}
FLIP = transform("VerticalFlip", p=1)
INVERT = transform("InvertImg", p=1)


def dataset(root: Path, config: DataConfig, seed: int = 3) -> TrainingDataset:
    return TrainingDataset(detect_layout(root), config, seed)


def batches(source: TrainingDataset, workers: int, start: int = 0, count: int = 7) -> list[torch.Tensor]:
    loader = data_loader(source, 3, start, workers)
    found = [torch.cat(next(loader)) for _ in range(count)]
    loader.close()
    return found


def test_the_samples_of_a_random_pipeline_are_the_same_for_any_number_of_workers(unpaired: Path) -> None:
    source = dataset(unpaired, UnpairedConfig(augmentations=RANDOM_PIPELINE, **SMALL))
    inline = batches(source, 0)
    for workers in (1, 2):
        assert all(map(torch.equal, inline, batches(source, workers)))
    assert all(map(torch.equal, inline[4:], batches(source, 0, start=12, count=3)))
    other_seed = dataset(unpaired, UnpairedConfig(augmentations=RANDOM_PIPELINE, **SMALL), seed=4)
    assert not all(map(torch.equal, inline, batches(other_seed, 0)))


def test_a_sample_differs_from_epoch_to_epoch(tmp_path: Path) -> None:
    write_random_images(tmp_path / "d" / "A", 1)
    write_random_images(tmp_path / "d" / "B", 1)
    config = PairedConfig(augmentations=RANDOM_PIPELINE, size=SIZE, resize_scale=1.0, flip=False)
    source = dataset(tmp_path / "d", config)
    assert len({source[k][0].numpy().tobytes() for k in range(8)}) > 4


def test_without_augmentations_nothing_is_drawn_and_a_pipeline_leaves_the_crops_as_they_are(paired: Path) -> None:
    plain = dataset(paired, PairedConfig(**SMALL))
    augmented = dataset(paired, PairedConfig(augmentations=text(FLIP), **SMALL))
    assert plain.augmenter is None
    for k in range(6):
        for image, flipped in zip(plain[k], augmented[k], strict=True):
            assert torch.equal(image.flip(1), flipped)
            assert flipped.permute(1, 2, 0).is_contiguous()


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_the_source_follows_the_direction(paired: Path, unpaired: Path, direction: Any) -> None:
    for root in (paired, unpaired):
        config = PairedConfig if root is paired else DirectedConfig
        plain = dataset(root, config(direction=direction, **SMALL))[2]
        source, target = dataset(root, config(direction=direction, augmentations=text(INVERT), **SMALL))[2]
        assert torch.equal(source, 255 - plain[0])
        assert torch.equal(target, plain[1])


def test_a_photo_is_augmented_before_a_task_degrades_it(tmp_path: Path) -> None:
    write_random_images(tmp_path / "photos", 2, width=40)
    task = {"task": "denoise", "noise": "gaussian", "sigma": [1, 2]}
    layout = detect_layout(tmp_path / "photos", "clean")
    plain = TrainingDataset(layout, from_json(PairedConfig, {"task": task, "size": SIZE}), 0)
    config = from_json(PairedConfig, {"task": task, "size": SIZE, "augmentations": text(INVERT)})
    for k in range(4):
        degraded, clean = TrainingDataset(layout, config, 0)[k]
        assert torch.equal(clean, 255 - plain[k][1])
        assert 0 < (degraded.float() - clean.float()).abs().mean() < 3


def test_super_resolution_pairs_are_flipped_alike(tmp_path: Path) -> None:
    for index in range(2):
        large = random_image(index, 64, 64)
        for folder, image in (("large", large), ("small", large.resize((32, 32), 4))):
            (tmp_path / "d" / folder).mkdir(parents=True, exist_ok=True)
            image.save(tmp_path / "d" / folder / f"{index}.png")
    layout = detect_layout(tmp_path / "d", "paired")
    config = PairedConfig(size=32, resize="native", augmentations="flip")
    source = TrainingDataset(layout, config, 0)
    for k in range(6):
        low, high = source[k]
        mean = high.float().unfold(1, 2, 2).unfold(2, 2, 2).mean((-1, -2))
        assert (mean - low.float()).abs().mean() < 3
    with pytest.raises(ConfigError, match="pairs of a small and a large image"):
        TrainingDataset(layout, PairedConfig(size=32, resize="native", augmentations="strong"), 0)


def test_the_run_and_the_model_file_keep_the_content_of_a_file(paired: Path, changes: Any) -> None:
    Path("mine.json").write_text(json.dumps(compose(FLIP, INVERT)))
    overrides = changes(paired)
    overrides["data"]["augmentations"] = "mine.json"
    trainer = launch.new_training("pix2pix", None, overrides, "run", TrainingProgress())
    trainer.train()
    trainer.run.unlock()
    Path("mine.json").unlink()
    kept = Run.find("run").load_config()["data"]["augmentations"]
    assert json.loads(kept) == compose(FLIP, INVERT)
    info = load_model_info(Run.find("run").weights_path)
    assert info.settings["data"]["augmentations"] == kept
    assert "VerticalFlip" in Path("checkpoints/run/card.md").read_text()

    Path("mine.json").write_text(json.dumps(compose(FLIP)))
    with pytest.raises(ConfigError, match=r"started with data\.augmentations = "):
        launch.resume_training("pix2pix", None, {"data": {"augmentations": "mine.json"}}, "run", TrainingProgress())
    Path("mine.json").write_text(json.dumps(compose(FLIP, INVERT), indent=2))
    same = {"data": {"augmentations": "mine.json"}}
    launch.resume_training("pix2pix", None, same, "run", TrainingProgress()).run.unlock()


def test_a_pipeline_that_does_not_fit_the_size_stops_a_training_before_it_writes_anything(
    paired: Path, changes: Any
) -> None:
    overrides = changes(paired)
    overrides["data"]["augmentations"] = text(transform("RandomCrop", height=8, width=8))
    with pytest.raises(ConfigError, match="16x16 pixels to 8x8"):
        launch.new_training("pix2pix", None, overrides, "run", TrainingProgress())
    assert not Path("checkpoints").exists()


def test_the_preview_shows_each_sample_without_and_with_augmentations(paired: Path) -> None:
    config = PairedConfig(data=str(paired), augmentations=text(FLIP), **SMALL)
    sheet = np.asarray(preview(config, count=3).sheet)
    side = 128
    tiles = [sheet[-3 * (side + 2) :][:side, x * (side + 2) :][:, :side] for x in range(4)]
    assert np.array_equal(tiles[0][::-1], tiles[1])
    assert np.array_equal(tiles[2][::-1], tiles[3])
    assert not np.array_equal(tiles[0], tiles[2])
    assert preview(PairedConfig(data=str(paired), **SMALL), count=1).augmented_ms is None
