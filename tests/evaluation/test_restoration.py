from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from i2i.errors import DatasetError, UsageError
from i2i.evaluation import Evaluation, Options, evaluate, text
from i2i.evaluation.models import Setting
from i2i.inference.translator import load
from i2i.metrics.paired import psnr
from i2i.recipes import launch
from i2i.restoration import TASKS
from i2i.restoration.degrader import Degrader
from i2i.restoration.noise import Denoise
from i2i.restoration.superres import Superres
from i2i.training.progress import TrainingProgress
from tests.conftest import picture, write_pictures
from tests.inference.test_restoration import bundle


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index in range(3):
        picture(index, 41, 35).save(folder / f"{index}.png")
    return folder


def model(name: str, task: Any) -> str:
    Path("models").mkdir(exist_ok=True)
    return bundle(Path("models") / f"{name}.safetensors", task)


def judged(*models: str, data: Path, **asked: Any) -> Evaluation:
    return evaluate(Options(models=models, data=str(data), setting=Setting("cpu", "float32"), **asked))


def pixels(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]


def test_a_denoiser_is_held_against_the_clean_photos_at_their_own_size(photos: Path) -> None:
    name = model("denoiser", Denoise())
    (section,) = judged(name, data=photos).sections
    floor, row = section.rows
    clean = [Image.open(path) for path in sorted(photos.iterdir())]
    noisy = [Degrader(Denoise(), 25.0)(image) for image in clean]  # the middle of 0 to 50
    restored = [load(name, device="cpu", precision="float32")(image) for image in noisy]
    for line, shown in ((floor, noisy), (row, restored)):
        each = [psnr(pixels(a), pixels(b))[0] for a, b in zip(shown, clean, strict=True)]
        assert line.values["psnr"].value == pytest.approx(np.mean(each), rel=1e-4)
    assert 19 < floor.values["psnr"].value < 22  # 20 log₁₀(255 / 25) = 20.2, and a little more where it clips
    assert "3 inputs (denoise, strength 25, in 8 bits) against 3 real pictures, as they are" in text(
        judged(name, data=photos)
    )


def test_the_strength_can_be_chosen_and_is_part_of_the_protocol_while_ranges_of_training_are_not(photos: Path) -> None:
    wide, narrow = model("wide", Denoise()), model("narrow", Denoise(sigma=(10.0, 30.0)))
    weak, strong = (judged(wide, data=photos, strength=sigma).sections[0] for sigma in (15.0, 25.0))
    assert weak.rows[0].values["psnr"].value > strong.rows[0].values["psnr"].value + 3
    assert weak.protocol.fingerprint() != strong.protocol.fingerprint()
    alike = judged(narrow, data=photos, strength=25.0).sections[0]
    assert alike.protocol.fingerprint() == strong.protocol.fingerprint()
    assert [row.name for row in judged(wide, narrow, data=photos).sections[0].rows if row.kind == "model"] == [
        "wide",
        "narrow",
    ]


def test_superresolution_stands_beside_bicubic_enlargement(photos: Path) -> None:
    floor, row = judged(model("larger", Superres(scale=2)), data=photos).sections[0].rows
    small = [Degrader(Superres(scale=2))(Image.open(path)) for path in sorted(photos.iterdir())]
    truth = [Image.open(path).crop((0, 0, 40, 34)) for path in sorted(photos.iterdir())]
    bicubic = [image.resize((40, 34), Image.Resampling.BICUBIC) for image in small]
    by_hand = np.mean([psnr(pixels(a), pixels(b))[0] for a, b in zip(bicubic, truth, strict=True)])
    assert floor.values["psnr"].value == pytest.approx(by_hand, rel=1e-6)
    assert floor.values["change"].value == 0
    assert row.values["psnr"].value > 0


@pytest.mark.parametrize(
    "task", [TASKS["inpaint"](), TASKS["colorize"](), Denoise(known=True)], ids=["holes", "grey", "told"]
)
def test_models_that_are_given_more_than_a_picture_are_judged(photos: Path, task: Any) -> None:
    found = judged(model("some", task), data=photos, gallery=True)
    assert found.sections[0].rows[1].values["psnr"].value > 0
    gallery = found.sections[0].gallery
    assert gallery is not None
    assert gallery.random[0].truth is not None


def test_what_does_not_belong_together_is_refused(photos: Path, unpaired: Path) -> None:
    noise, size = model("noise", Denoise()), model("size", Superres(scale=2))
    with pytest.raises(
        UsageError, match=r"noise and size cannot stand in one table: one restores \(denoise\), and one "
    ):
        judged(noise, size, data=photos)
    with pytest.raises(UsageError, match="must be from 0 to 50"):
        judged(noise, data=photos, strength=80.0)
    with pytest.raises(DatasetError, match="holds unpaired data, and a restoration task damages clean photos"):
        judged(noise, data=unpaired)
    with pytest.raises(UsageError, match="--task-strength is for restoration models"):
        judged("identity", data=unpaired, strength=5.0)


def test_an_undivided_folder_will_do_unless_a_model_was_trained_on_it(photos: Path) -> None:
    write_pictures(photos, 5, width=32)
    wanted = {
        "data": {"data": str(photos), "size": 16, "task": {"task": "denoise"}},
        "model": {"generator": {"network": "restorer", "width": 4, "levels": 2, "depth": 1}},
        "training": {"steps": 2, "batch_size": 1, "device": "cpu", "precision": "float32", "keep_best": "psnr"},
    }
    trainer = launch.start("regression", "tiny", wanted, "own", TrainingProgress())
    trainer.train()
    with pytest.raises(DatasetError, match="has no test pictures"):
        judged("own", data=photos)
    assert judged("own", data=photos, split="train").sections[0].protocol.split == "train"
    assert trainer.exam is not None
    assert trainer.exam.best is not None
    assert trainer.exam.best.metric == "psnr"
    assert trainer.run.best_path.is_file()
