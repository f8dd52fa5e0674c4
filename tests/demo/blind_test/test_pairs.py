import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from i2i.checkpoints.model_file import load_model_info
from i2i.checkpoints.model_info import DataInfo, ModelInfo
from i2i.data.layout import list_images
from i2i.demo.blind_test.pairs import (
    PairSampler,
    ShuffledIndices,
    candidate_with_title,
    find_candidates,
    side_by_side,
)
from i2i.errors import ImageError, UsageError
from i2i.images import read
from tests.conftest import random_image, write_random_images
from tests.demo.image_halves import image_halves
from tests.training.test_trainer import start


def model_info(
    dataset: str, directions: tuple[str, ...] = ("AtoB",), size: int = 16, task: dict[str, Any] | None = None
) -> ModelInfo:
    """Return the metadata of a model file."""
    return ModelInfo(
        size=size,
        directions=directions,
        generator={"network": "resnet"},
        data=DataInfo(dataset),
        task=task,
        settings={"data": {"resize": "stretch"}},
    )


def darken(model: str, direction: str, image: Image.Image) -> Image.Image:
    return image.point(lambda level: level // 2)


def test_each_direction_of_a_model_is_tested_on_its_test_images(unpaired: Path) -> None:
    candidates, reasons = find_candidates({"run": model_info("two", ("AtoB", "BtoA"))})
    assert [candidate.title for candidate in candidates] == ["run, A to B (two)", "run, B to A (two)"]
    assert not reasons
    sampler = PairSampler(candidates[0], None, darken)
    indices = {sampler.draw() for _ in range(4)}
    assert indices == {0, 1, 2, 3}
    real_images = {read(path).tobytes() for path in list_images(unpaired / "testB")}
    for index in indices:
        translation, real = sampler.pair(index)
        source = read(list_images(unpaired / "testA")[index])
        assert translation.tobytes() == darken("", "", source).tobytes()
        assert real.tobytes() in real_images


def test_in_paired_data_the_real_image_is_the_target_of_the_input(paired: Path) -> None:
    (candidate,), _ = find_candidates({"run": model_info("pairs", ("BtoA",))})
    translation, real = PairSampler(candidate, None, darken).pair(2)
    joined = read(list_images(paired / "test")[2])
    assert translation.tobytes() == darken("", "", joined.crop((16, 0, 32, 16))).tobytes()
    assert real.tobytes() == joined.crop((0, 0, 16, 16)).tobytes()


def test_two_models_translate_the_same_image_at_the_larger_size(unpaired: Path) -> None:
    (one, other), _ = find_candidates({"one": model_info("two"), "other": model_info("two", size=32)})
    calls = []

    def record(model: str, direction: str, image: Image.Image) -> Image.Image:
        calls.append((model, image.size, image.tobytes()))
        return image

    PairSampler(one, other, record).pair(0)
    assert [model for model, _, _ in calls] == ["one", "other"]
    assert calls[0][1:] == calls[1][1:]
    assert calls[0][1] == (32, 32)


def test_opponents_share_direction_and_dataset(unpaired: Path, paired: Path) -> None:
    models = {"a": model_info("two", ("AtoB", "BtoA")), "b": model_info("two"), "c": model_info("pairs")}
    candidates, _ = find_candidates(models)
    assert [opponent.title for opponent in candidates[0].opponents(candidates)] == ["b, A to B (two)"]
    assert candidates[1].opponents(candidates) == []


def test_a_restored_photo_is_compared_with_the_photo_before_its_degradation() -> None:
    write_random_images(Path("datasets/photos/train"), 3, width=300)
    for path in write_random_images(Path("datasets/photos/test"), 3, width=300, seed=5):
        random_image(1, 300, 300).save(path)
    task = {"task": "denoise", "sigma": [10.0, 30.0]}
    (candidate,), reasons = find_candidates({"run": model_info("photos", task=task)})
    assert not reasons
    degraded, real = PairSampler(candidate, None, lambda model, direction, image: image).pair(0)
    assert degraded.size == real.size == (256, 256)
    assert degraded.tobytes() != real.tobytes()


@pytest.mark.parametrize(
    ("dataset", "reason"),
    [
        ("elsewhere", "not on this machine"),
        ("", "trained on a dataset without a name"),
        ("../datasets/two", "not on this machine"),
        (".", "not on this machine"),
        ("untested", "untested has no test"),
    ],
)
def test_a_model_without_test_images_is_excluded_with_a_reason(unpaired: Path, dataset: str, reason: str) -> None:
    for folder in ("trainA", "trainB"):
        write_random_images(Path("datasets/untested") / folder, 2)
    candidates, (sentence,) = find_candidates({"run": model_info(dataset)})
    assert not candidates
    assert sentence.startswith("run: ")
    assert reason in sentence


def test_an_unusable_task_excludes_one_model_and_not_the_others(unpaired: Path) -> None:
    models = {"odd": model_info("two", task={"task": "sharpen"}), "run": model_info("two")}
    candidates, (reason,) = find_candidates(models)
    assert [candidate.model for candidate in candidates] == ["run"]
    assert reason.startswith("odd: odd: its metadata does not describe the task")


def test_an_unknown_title_is_refused(unpaired: Path) -> None:
    candidates, _ = find_candidates({"run": model_info("two")})
    assert candidate_with_title(candidates, "run, A to B (two)") is candidates[0]
    with pytest.raises(UsageError, match="Choose a model"):
        candidate_with_title(candidates, "unknown")


def test_a_pair_contains_pixels_alone_in_one_png() -> None:
    left, right = random_image(1), random_image(2)
    left.info |= {"exif": b"Exif\0\0secret", "icc_profile": b"secret", "comment": "translated"}
    png = side_by_side(left, right)
    assert b"secret" not in png
    assert b"translated" not in png
    assert [half.tobytes() for half in image_halves(png)] == [left.tobytes(), right.tobytes()]
    with pytest.raises(ImageError, match="differ in size"):
        side_by_side(left, random_image(2, 20, 16))


def test_each_index_comes_once_before_any_comes_again() -> None:
    indices = ShuffledIndices(5, random.Random(3))
    drawn = [indices.draw() for _ in range(15)]
    assert [sorted(drawn[start : start + 5]) for start in (0, 5, 10)] == [list(range(5))] * 3
    assert drawn[:5] != drawn[5:10]


def test_a_run_from_a_path_takes_part_from_any_working_directory(
    unpaired: Path, changes: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpaired.parent.rename(tmp_path / "ds")
    trainer = start("cyclegan", changes("ds/two", steps=1), "mine")
    trainer.train()
    info = load_model_info(trainer.run.weights_path)
    monkeypatch.setenv("I2I_CHECKPOINTS", str(tmp_path / "checkpoints"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    candidates, reasons = find_candidates({"mine": info})
    assert (reasons, [candidate.dataset for candidate in candidates]) == ([], ["two", "two"])
    inputs = candidates[0].images(16).inputs
    assert inputs is not None
    assert inputs.path(0) == tmp_path / "ds/two/testA/000.png"
