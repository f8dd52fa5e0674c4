from pathlib import Path

import numpy as np
import pytest

from i2i.data.layout import layout
from i2i.evaluation.eval_set import Pictures, Shape, trial
from i2i.evaluation.feature_cache import FeatureCache


@pytest.fixture
def real(unpaired: Path) -> Pictures:
    return trial(layout(unpaired), "AtoB", split=None, count=None, shape=Shape()).real


class Maker:
    """Counts how often features are made."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> np.ndarray:
        self.times += 1
        return np.full((4, 3), self.times, np.float32)


def test_features_are_made_once_and_again_where_pictures_network_or_size_change(real: Pictures, tmp_path: Path) -> None:
    cache, make = FeatureCache(tmp_path / "kept"), Maker()
    for _ in range(2):
        assert cache.get(real, "one", make)[0, 0] == 1
    assert cache.get(real, "two", make)[0, 0] == 2
    assert cache.get(Pictures(real.items, real.kind, real.part, Shape(8)), "one", make)[0, 0] == 3
    data = real.items[0][0].read_bytes()
    real.items[0][0].write_bytes(real.items[1][0].read_bytes())
    assert cache.get(real, "one", make)[0, 0] == 4
    real.items[0][0].write_bytes(data)
    assert cache.get(real, "one", make)[0, 0] == 1


@pytest.mark.parametrize("damage", [b"", b"no array", None], ids=["empty", "garbage", "of other length"])
def test_a_damaged_file_is_made_again(real: Pictures, tmp_path: Path, damage: bytes | None) -> None:
    cache, make = FeatureCache(tmp_path), Maker()
    cache.get(real, "one", make)
    (path,) = tmp_path.glob("*.npy")
    if damage is None:
        np.save(path, np.zeros((3, 3), np.float32))
    else:
        path.write_bytes(damage)
    assert cache.get(real, "one", make)[0, 0] == 2
    assert cache.get(real, "one", make)[0, 0] == 2


def test_where_nothing_can_be_kept_features_are_made_every_time(real: Pictures, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for cache in (FeatureCache(None), FeatureCache(tmp_path / "file")):
        make = Maker()
        assert [cache.get(real, "one", make)[0, 0] for _ in range(2)] == [1, 2]


def test_the_usual_place_is_that_of_packed_pictures(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert FeatureCache.usual().folder == Path("datasets/.packed/features")
    monkeypatch.setenv("I2I_CACHE", str(tmp_path))
    assert FeatureCache.usual().folder == tmp_path / "features"
