from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.errors import DatasetError, UsageError
from i2i.evaluation.evaluate import Evaluation, evaluate
from i2i.evaluation.options import EvaluationOptions
from i2i.evaluation.text_report import format_report
from i2i.inference.loading import load
from i2i.inference.options import InferenceOptions
from i2i.metrics.paired import psnr
from i2i.recipes import launch
from i2i.restoration import TASKS
from i2i.restoration.degrader import Degrader
from i2i.restoration.noise import Denoise
from i2i.restoration.superres import Superres
from i2i.training.progress import TrainingProgress
from tests.conftest import random_image, write_random_images
from tests.inference.test_restoration import save_task_model


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(3):
        random_image(index, 41, 35).save(folder / f"{index}.png")
    return folder


def save_model(name: str, task: Any) -> str:
    Path("models").mkdir(exist_ok=True)
    return save_task_model(Path("models") / f"{name}.safetensors", task)


def evaluated(*models: str, data: Path, **options: Any) -> Evaluation:
    inference = InferenceOptions("cpu", "float32")
    return evaluate(EvaluationOptions(models=models, data=str(data), inference=inference, **options))


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]


def test_a_denoiser_is_compared_with_the_clean_photos_at_their_own_size(photos: Path) -> None:
    name = save_model("denoiser", Denoise())
    (result,) = evaluated(name, data=photos).directions
    baseline, row = result.rows
    clean = [Image.open(path) for path in sorted(photos.iterdir())]
    noisy = [Degrader(Denoise(), 25.0)(image) for image in clean]  # the middle of 0 to 50
    restored = [load(name, device="cpu", precision="float32")(image) for image in noisy]
    for measured, images in ((baseline, noisy), (row, restored)):
        values = [psnr(as_tensor(a), as_tensor(b))[0] for a, b in zip(images, clean, strict=True)]
        assert measured.values["psnr"].value == pytest.approx(np.mean(values), rel=1e-4)
    assert 19 < baseline.values["psnr"].value < 22  # 20 log₁₀(255 / 25) = 20.2, and a little more because of clipping
    assert "3 inputs (denoise, strength 25, in 8 bits), 3 real images, as they are" in format_report(
        evaluated(name, data=photos)
    )


def test_the_protocol_depends_on_the_strength_and_not_on_the_range_in_training(photos: Path) -> None:
    wide, narrow = save_model("wide", Denoise()), save_model("narrow", Denoise(sigma=(10.0, 30.0)))
    weak, strong = (evaluated(wide, data=photos, strength=sigma).directions[0] for sigma in (15.0, 25.0))
    assert weak.rows[0].values["psnr"].value > strong.rows[0].values["psnr"].value + 3
    assert weak.protocol.fingerprint() != strong.protocol.fingerprint()
    same_strength = evaluated(narrow, data=photos, strength=25.0).directions[0]
    assert same_strength.protocol.fingerprint() == strong.protocol.fingerprint()
    assert [row.name for row in evaluated(wide, narrow, data=photos).directions[0].rows if row.kind == "model"] == [
        "wide",
        "narrow",
    ]


def test_the_baseline_of_superresolution_is_bicubic_enlargement(photos: Path) -> None:
    baseline, row = evaluated(save_model("larger", Superres(scale=2)), data=photos).directions[0].rows
    small = [Degrader(Superres(scale=2))(Image.open(path)) for path in sorted(photos.iterdir())]
    targets = [Image.open(path).crop((0, 0, 40, 34)) for path in sorted(photos.iterdir())]
    bicubic = [image.resize((40, 34), Image.Resampling.BICUBIC) for image in small]
    expected = np.mean([psnr(as_tensor(a), as_tensor(b))[0] for a, b in zip(bicubic, targets, strict=True)])
    assert baseline.values["psnr"].value == pytest.approx(expected, rel=1e-6)
    assert baseline.values["change"].value == 0
    assert row.values["psnr"].value > 0


@pytest.mark.parametrize(
    "task", [TASKS["inpaint"](), TASKS["colorize"](), Denoise(noise_level_input=True)], ids=["mask", "grey", "strength"]
)
def test_models_with_a_mask_or_a_strength_as_input_are_evaluated(photos: Path, task: Any) -> None:
    evaluation = evaluated(save_model("some", task), data=photos, gallery=True)
    assert evaluation.directions[0].rows[1].values["psnr"].value > 0
    gallery = evaluation.directions[0].gallery
    assert gallery is not None
    assert gallery.random[0].target is not None


def test_incompatible_tasks_strengths_and_data_are_refused(photos: Path, unpaired: Path) -> None:
    noise, size = save_model("noise", Denoise()), save_model("size", Superres(scale=2))
    with pytest.raises(UsageError, match=r"noise and size cannot be compared: one restores \(denoise\), and one "):
        evaluated(noise, size, data=photos)
    with pytest.raises(UsageError, match="must be from 0 to 50"):
        evaluated(noise, data=photos, strength=80.0)
    with pytest.raises(DatasetError, match="holds unpaired data; a restoration task needs clean photos"):
        evaluated(noise, data=unpaired)
    with pytest.raises(UsageError, match="--degradation-level is for restoration models"):
        evaluated("identity", data=unpaired, strength=5.0)


def test_an_undivided_folder_is_allowed_unless_a_model_was_trained_on_it(photos: Path) -> None:
    write_random_images(photos, 5, width=32)
    wanted = {
        "data": {"data": str(photos), "size": 16, "task": {"task": "denoise"}},
        "model": {"generator": {"network": "restorer", "width": 4, "levels": 2, "depth": 1}},
        "training": {"steps": 2, "batch_size": 1, "device": "cpu", "precision": "float32", "best_metric": "psnr"},
    }
    trainer = launch.new_training("regression", "tiny", wanted, "own", TrainingProgress())
    trainer.train()
    with pytest.raises(DatasetError, match="has no test images"):
        evaluated("own", data=photos)
    assert evaluated("own", data=photos, split="train").directions[0].protocol.split == "train"
    assert trainer.validator is not None
    assert trainer.validator.best is not None
    assert trainer.validator.best.metric == "psnr"
    assert trainer.run.best_path.is_file()
