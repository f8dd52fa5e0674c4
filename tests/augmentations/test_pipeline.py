import hashlib
import json
from typing import Any

import numpy as np
import pytest

from i2i.augmentations.library import EXACT_SYMMETRIES, known_transforms, moves_pixels
from i2i.augmentations.named import NAMED_PIPELINES
from i2i.augmentations.pipeline import AugmentationPipeline
from i2i.errors import ConfigError, DatasetError
from tests.augmentations.pipelines import ARGUMENTS, RANDOM_PIPELINE, SHARED, SIDE, compose, text, transform

FLIP = transform("HorizontalFlip", p=1)
INVERT = transform("InvertImg", p=1)
RESIZE = transform("Resize", height=SIDE, width=SIDE, p=1)
GEOMETRIC = sorted(name for name, cls in known_transforms().items() if moves_pixels(cls))


def noise(seed: int = 0, height: int = SIDE, width: int = SIDE) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def pair(text_: str, source: np.ndarray, target: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    result = AugmentationPipeline(text_, "paired")({"source": source, "target": target}, np.random.default_rng(seed))
    return result["source"], result["target"]


@pytest.mark.parametrize("name", GEOMETRIC)
def test_a_marker_stays_on_its_partner_under_every_geometric_transform(name: str) -> None:
    source, target = np.zeros((2, SIDE, SIDE, 3), np.uint8)
    source[6:14, 5:11] = 255
    target[6:14, 5:11] = 100
    pipeline = AugmentationPipeline(text(transform(name, p=1, **ARGUMENTS.get(name, {})), RESIZE), "paired")
    pipeline.check_on({"source": source, "target": target})
    for seed in range(3):
        moved = pipeline({"source": source, "target": target}, np.random.default_rng(seed))
        difference = moved["source"].astype(float) * 100 / 255 - moved["target"]
        assert abs(difference).max() < 2
        assert moved["target"].shape == target.shape


def test_a_transform_that_moves_pixels_applies_to_both_and_one_of_values_to_the_source_alone() -> None:
    source, target = pair(text(FLIP, INVERT), noise(1), noise(2))
    assert np.array_equal(source, 255 - noise(1)[:, ::-1])
    assert np.array_equal(target, noise(2)[:, ::-1])


def test_additional_targets_applies_changes_of_values_to_both_alike() -> None:
    shared = text(transform("ColorJitter", p=1), transform("GaussNoise", p=1), additional_targets=SHARED)
    source, target = pair(shared, noise(1), noise(1))
    assert np.array_equal(source, target)
    assert not np.array_equal(source, noise(1))


def test_the_parts_of_a_file_apply_to_one_image_or_to_both() -> None:
    parts = {"both": compose(FLIP), "target": compose(INVERT)}
    source, target = pair(json.dumps(parts), noise(1), noise(2))
    assert np.array_equal(source, noise(1)[:, ::-1])
    assert np.array_equal(target, 255 - noise(2)[:, ::-1])
    dropout = compose(transform("CoarseDropout", fill=7, p=1))
    source, target = pair(json.dumps({"source": dropout}), noise(1), noise(2))
    assert (source == 7).any()
    assert np.array_equal(target, noise(2))


def test_unpaired_images_are_changed_each_by_itself() -> None:
    parts = {"both": compose(transform("Affine", rotate=[-90, 90], p=1)), "source": compose(FLIP, INVERT)}
    pipeline = AugmentationPipeline(json.dumps(parts), "unpaired")
    rng = np.random.default_rng(0)
    a, b = pipeline({"source": noise()}, rng)["source"], pipeline({"target": noise()}, rng)["target"]
    assert not np.array_equal(255 - a[:, ::-1], b)
    plain = AugmentationPipeline(text(FLIP, INVERT), "unpaired")
    assert np.array_equal(plain({"target": noise()}, rng)["target"], noise()[:, ::-1])


def test_single_images_get_all_of_a_plain_pipeline() -> None:
    pipeline = AugmentationPipeline(text(FLIP, INVERT), "clean")
    result = pipeline({"source": noise()}, np.random.default_rng(0))
    assert np.array_equal(result["source"], 255 - noise()[:, ::-1])


def test_the_transforms_of_a_pipeline_draw_independent_random_numbers() -> None:
    pipeline = AugmentationPipeline("flip", "clean")
    image = noise()
    counts = dict.fromkeys([image[y, x].tobytes() for y in (slice(None), slice(None, None, -1))
                            for x in (slice(None), slice(None, None, -1))], 0)  # fmt: skip
    for seed in range(200):
        counts[pipeline({"source": image}, np.random.default_rng(seed))["source"].tobytes()] += 1
    assert min(counts.values()) > 30


def test_a_sample_depends_on_its_seed_and_not_on_the_samples_before_it() -> None:
    pipeline = AugmentationPipeline(RANDOM_PIPELINE, "clean")
    first = [pipeline({"source": noise()}, np.random.default_rng(seed))["source"] for seed in range(6)]
    again = [pipeline({"source": noise()}, np.random.default_rng(seed))["source"] for seed in reversed(range(6))]
    assert all(map(np.array_equal, first, reversed(again)))
    assert len({image.tobytes() for image in first}) == 6


@pytest.mark.parametrize("name", NAMED_PIPELINES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_named_pipelines_change_pairs_of_any_type_alike(name: str, dtype: str) -> None:
    image = noise() if dtype == "uint8" else (noise() / (1 if dtype == "float32" else 255 / 65535)).astype(dtype)
    pipeline = AugmentationPipeline(name, "paired")
    pipeline.check_on({"source": image, "target": image})
    results = [
        pipeline({"source": image, "target": image}, np.random.default_rng(seed), white=255.0) for seed in range(8)
    ]
    assert all(np.array_equal(result["source"], result["target"]) for result in results)
    assert all(result["source"].dtype == image.dtype for result in results)
    assert len({result["source"].tobytes() for result in results}) > 2


@pytest.mark.filterwarnings("ignore:The image is already gray")
@pytest.mark.parametrize("channels", [1, 2, 4, 16])
def test_named_pipelines_take_images_of_other_channels_or_say_that_they_do_not(channels: int) -> None:
    image = noise()[..., :1].repeat(channels, 2)
    for name in NAMED_PIPELINES:
        pipeline = AugmentationPipeline(name, "paired")
        if name in ("photo", "strong") and channels > 1:
            with pytest.raises(ConfigError, match=f"ColorJitter cannot be applied.* and {channels} channels"):
                pipeline.check_on({"source": image, "target": image})
            continue
        pipeline.check_on({"source": image, "target": image})
        result = pipeline({"source": image, "target": image}, np.random.default_rng(0))
        assert result["source"].shape == image.shape
        assert np.array_equal(result["source"], result["target"])


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_a_flip_keeps_every_value_of_16_bits_and_of_floats(dtype: type) -> None:
    values = np.arange(2**16).reshape(256, 256, 1).repeat(3, 2).astype(dtype)
    pipeline = AugmentationPipeline(text(FLIP), "clean")
    result = pipeline({"source": values}, np.random.default_rng(0), white=65536.0)
    assert np.array_equal(result["source"], values[:, ::-1])


def test_named_pipelines_never_change() -> None:
    digests = {name: hashlib.sha256(json.dumps(table).encode()).hexdigest()[:12]
               for name, table in NAMED_PIPELINES.items()}  # fmt: skip
    assert digests == {
        "flip": "9ac30061d24d",
        "geometric": "0b2e6c703696",
        "photo": "1bf27f65abab",
        "strong": "df7d5b32284b",
    }


@pytest.mark.parametrize(
    ("transforms", "message"),
    [
        ([transform("RandomCrop", height=16, width=16)], "RandomCrop|changes images of 32x32 pixels to 16x16"),
        ([transform("CenterCrop", height=16, width=16, p=0.3)], "CenterCrop changes images of 32x32"),
        ([transform("Pad", padding=4, p=1), transform("RandomScale", p=1)], "changes images of 32x32"),
        ([transform("OneOf", transforms=[transform("RandomScale"), FLIP])], "RandomScale changes images of 32x32"),
        ([transform("CenterCrop", height=64, width=64)], "CenterCrop cannot be applied to images of 32x32 pixels"),
    ],
)
def test_a_pipeline_that_changes_the_size_is_refused(transforms: list[dict[str, Any]], message: str) -> None:
    pipeline = AugmentationPipeline(text(*transforms), "clean")
    with pytest.raises(ConfigError, match=message):
        pipeline.check_on({"source": noise()})
    with pytest.raises(DatasetError):
        [pipeline({"source": noise()}, np.random.default_rng(seed)) for seed in range(20)]


def test_a_pipeline_may_change_the_size_on_its_way() -> None:
    pad = transform("PadIfNeeded", min_height=40, min_width=40, p=1)
    for first, last in (
        (pad, transform("RandomCrop", height=SIDE, width=SIDE, p=1)),
        (pad, transform("Sequential", transforms=[transform("CenterCrop", height=36, width=36, p=1), RESIZE], p=1)),
        (transform("CenterCrop", height=16, width=16, p=0.3), RESIZE),
        (transform("OneOf", transforms=[transform("RandomScale"), pad]), RESIZE),
    ):
        AugmentationPipeline(text(first, last), "clean").check_on({"source": noise()})


def test_geometry_in_a_part_for_one_image_of_a_pair_is_refused() -> None:
    parts = json.dumps({"target": compose(FLIP)})
    with pytest.raises(ConfigError, match="HorizontalFlip in the part 'target' moves the pixels of one image"):
        AugmentationPipeline(parts, "paired")
    with pytest.raises(ConfigError, match="single images need a part 'both' only"):
        AugmentationPipeline(parts, "clean")


def test_pairs_of_a_small_and_a_large_image_take_symmetries_only() -> None:
    images = {"source": noise()[::2, ::2], "target": noise().repeat(2, 0)[::2]}
    for name in EXACT_SYMMETRIES:
        pipeline = AugmentationPipeline(text(transform(name, p=1)), "paired")
        pipeline.check_on(images)
        result = pipeline(images, np.random.default_rng(4))
        assert np.array_equal(result["target"][::2, ::2], result["source"]) or name != "NoOp"
    with pytest.raises(ConfigError, match="Affine cannot be applied alike to pairs of a small and a large image"):
        AugmentationPipeline("geometric", "paired").check_on(images)


def test_a_transform_of_some_channels_cannot_be_shared() -> None:
    selective = transform("SelectiveChannelTransform", transforms=[INVERT], channels=[0], p=1)
    source, target = pair(text(selective), noise(1), noise(2))
    assert np.array_equal(source[..., 0], 255 - noise(1)[..., 0])
    assert np.array_equal(target, noise(2))
    with pytest.raises(ConfigError, match="SelectiveChannelTransform changes one image only"):
        AugmentationPipeline(text(selective, additional_targets=SHARED), "paired")
