"""A student has the channels, the type and the value range of its teacher, or is refused before anything is written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from i2i.checkpoints.model_file import load_model_info
from i2i.errors import ConfigError, DatasetError, I2IError
from i2i.images.pixel_format import PixelFormat
from i2i.inference.loading import load
from i2i.methods.distill import DistillConfig
from i2i.networks import ResnetConfig
from i2i.recipes.launch import new_training, resume_training
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer
from tests.conftest import write_random_images

RESNET = {"network": "resnet", "ngf": 2, "blocks": 1}
CAMERA = (0.0, 4095.0)


def write_domain(folder: Path, channels: int, dtype: str = "uint16", white: int = 4000) -> None:
    folder.mkdir(parents=True)
    for number in range(3):
        values = np.random.default_rng(number).random((16, 16, channels)) * white
        options: dict[str, Any] = {"planarconfig": "contig"} if channels > 1 else {}
        stored = values.astype(dtype)
        tifffile.imwrite(folder / f"{number}.tif", stored if channels > 1 else stored[..., 0],
                         photometric="minisblack", metadata=None, **options)  # fmt: skip


def start(method: str, data: str, run: str, model: dict[str, Any], **settings: Any) -> Trainer:
    overrides = {
        "data": {"data": data, "size": 16, "resize_scale": 1.0, **settings},
        "model": {"generator": RESNET, **model},
        "training": {"steps": 1, "sample_every": 1, "device": "cpu", "precision": "float32", "workers": 0},
    }
    return new_training(method, "fast", overrides, run, TrainingProgress())


def distill(data: str, run: str = "student", **settings: Any) -> Trainer:
    return start("distill", data, run, {"teacher": "teacher"}, **settings)


@pytest.fixture
def teacher(work_dir: Path) -> None:
    """The run "teacher": A of two channels and B of one, of a camera with 12 bits, in both directions."""
    for domain, channels in (("trainA", 2), ("trainB", 1)):
        write_domain(work_dir / "data" / domain, channels)
    discriminator = {"network": "patchgan", "ndf": 2, "receptive_field": 16}
    start("cyclegan", "data", "teacher", {"discriminator": discriminator}, value_range=CAMERA).train()


@pytest.mark.parametrize("direction", ["AtoB", "BtoA"])
def test_a_student_reads_and_returns_images_as_its_teacher_does(
    teacher: None, direction: str, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = distill("data", direction=direction)
    trainer.train()
    info, own = (load_model_info(Path("checkpoints") / name / "weights.safetensors") for name in ("teacher", "student"))
    assert own.formats == info.formats
    assert own.value_ranges == info.value_ranges
    assert own.formats[0] == PixelFormat(channels=2, dtype="uint16", value_range=CAMERA)
    source = trainer.dataset[0][0]
    whites = [tifffile.imread(path).max() / 4095 * 255 for path in Path("data", f"train{direction[0]}").iterdir()]
    assert any(float(source.max()) == pytest.approx(white, abs=0.01) for white in whites)
    assert "nearly black" not in caplog.text
    trainer.run.unlock()
    resume_training("distill", None, {"training": {"steps": 2}}, "student", TrainingProgress()).train()
    assert load("student", device="cpu").output_format == load("teacher", direction, device="cpu").output_format


def test_images_of_other_channels_than_the_teachers_are_refused(teacher: None, work_dir: Path) -> None:
    write_random_images(work_dir / "photos" / "trainA", 2, width=16)
    write_random_images(work_dir / "photos" / "trainB", 2, width=16)
    words = (
        r"The teacher teacher takes 2 channels of uint16, 0 to 4095, and trainA/.* has 3 channels\. Give images of 2"
    )
    with pytest.raises(DatasetError, match=words):
        distill("photos")
    with pytest.raises(ConfigError, match="--in-channels is 3, and the teacher teacher takes 2 channels"):
        distill("data", in_channels=3)
    with pytest.raises(ConfigError, match="--out-channels is 3, and the teacher teacher returns 1 channel"):
        distill("data", out_channels=3)
    with pytest.raises(ConfigError, match=r"teacher takes images with 2 channels.* --task takes one of RGB"):
        distill("photos", layout="photos", task={"task": "denoise"})
    assert not Path("checkpoints/student").exists()


def test_only_the_inputs_need_the_channels_of_the_teacher(teacher: None, work_dir: Path) -> None:
    write_domain(work_dir / "others" / "trainA", 2)
    write_random_images(work_dir / "others" / "trainB", 2, width=16)
    distill("others").train()
    assert load_model_info(Path("checkpoints/student/weights.safetensors")).formats[1].channels == 1


def test_another_stated_range_is_used_with_a_warning(teacher: None, caplog: pytest.LogCaptureFixture) -> None:
    distill("data", value_range=(0, 1023))
    assert "teacher was trained with 0 to 4095 as black to white (uint16), and the student learns with 0 to 1023" in (
        caplog.text
    )


def test_types_that_the_teacher_does_not_know_are_scaled_to_its_own(teacher: None, work_dir: Path) -> None:
    write_domain(work_dir / "bytes" / "trainA", 2, "uint8", 200)
    write_domain(work_dir / "bytes" / "trainB", 1, "uint8", 200)
    trainer = distill("bytes")
    source = trainer.dataset[0][0]
    assert 190 < float(source.max()) <= 200
    trainer.train()
    info = load_model_info(Path("checkpoints/student/weights.safetensors"))
    assert info.formats[0] == PixelFormat(channels=2, dtype="uint16", value_range=CAMERA)


def test_a_restoring_student_has_the_range_of_its_teacher(work_dir: Path) -> None:
    write_domain(work_dir / "photos", 3)
    task = {"task": "denoise"}
    restorer = {"network": "restorer", "width": 4, "levels": 1, "depth": 1}
    start("regression", "photos", "teacher", {"generator": restorer}, task=task, value_range=CAMERA).train()
    model = {"teacher": "teacher", "generator": restorer, "weight_feature": 0.0}
    start("distill", "photos", "student", model, task=task).train()
    assert load_model_info(Path("checkpoints/student/weights.safetensors")).value_ranges[0] == {"uint16": CAMERA}


def test_the_method_itself_compares_channels(teacher: None) -> None:
    config = DistillConfig(teacher="teacher", generator=ResnetConfig(ngf=2, blocks=1))
    with pytest.raises(I2IError, match="takes images with 2 channels of uint16, 0 to 4095, and the student gets 3"):
        config.build(16)
