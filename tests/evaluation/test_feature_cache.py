from pathlib import Path

import numpy as np
import pytest

from i2i.data.layout import detect_layout
from i2i.evaluation.eval_set import ImageSet, build_eval_set
from i2i.evaluation.feature_cache import FeatureCache
from i2i.evaluation.transforms import ResizePolicy


@pytest.fixture
def real(unpaired: Path) -> ImageSet:
    return build_eval_set(detect_layout(unpaired), "AtoB", split=None, max_images=None, resize=ResizePolicy()).real


class CountingCompute:
    """Returns features that hold the number of calls so far."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> np.ndarray:
        self.calls += 1
        return np.full((4, 3), self.calls, np.float32)


def test_features_are_computed_again_if_images_network_or_size_change(real: ImageSet, tmp_path: Path) -> None:
    cache, compute = FeatureCache(tmp_path / "cache"), CountingCompute()
    for _ in range(2):
        assert cache.get(real, "one", compute)[0, 0] == 1
    assert cache.get(real, "two", compute)[0, 0] == 2
    assert cache.get(ImageSet(real.items, real.kind, real.side, ResizePolicy(8)), "one", compute)[0, 0] == 3
    data = real.items[0][0].read_bytes()
    real.items[0][0].write_bytes(real.items[1][0].read_bytes())
    assert cache.get(real, "one", compute)[0, 0] == 4
    real.items[0][0].write_bytes(data)
    assert cache.get(real, "one", compute)[0, 0] == 1


@pytest.mark.parametrize("damage", [b"", b"no array", None], ids=["empty", "garbage", "of other length"])
def test_a_damaged_entry_is_computed_again(real: ImageSet, tmp_path: Path, damage: bytes | None) -> None:
    cache, compute = FeatureCache(tmp_path), CountingCompute()
    cache.get(real, "one", compute)
    (path,) = tmp_path.glob("*.npy")
    if damage is None:
        np.save(path, np.zeros((3, 3), np.float32))
    else:
        path.write_bytes(damage)
    assert cache.get(real, "one", compute)[0, 0] == 2
    assert cache.get(real, "one", compute)[0, 0] == 2


def test_without_a_writable_folder_features_are_computed_every_time(real: ImageSet, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for cache in (FeatureCache(None), FeatureCache(tmp_path / "file")):
        compute = CountingCompute()
        assert [cache.get(real, "one", compute)[0, 0] for _ in range(2)] == [1, 2]


def test_the_default_folder_is_in_the_image_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert FeatureCache.default().folder == Path("datasets/.packed/features")
    monkeypatch.setenv("I2I_CACHE", str(tmp_path))
    assert FeatureCache.default().folder == tmp_path / "features"
