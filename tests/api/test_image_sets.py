from pathlib import Path

import numpy as np
import pytest

from i2i.api import image_sets
from i2i.api.image_sets import image_set_distance
from i2i.errors import UsageError
from i2i.metrics import inception
from i2i.metrics.distribution import fid, kid
from i2i.metrics.inception import Inception
from tests.conftest import write_random_images
from tests.metrics.standin import ChannelStatistics


@pytest.fixture(autouse=True)
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Statistics of the channels in place of Inception's features."""
    monkeypatch.setattr(inception, "load_inception", ChannelStatistics)
    monkeypatch.setattr(image_sets, "CHUNK_FILES", 3)


def test_the_distance_is_that_of_all_features_at_once(tmp_path: Path) -> None:
    a, b = (write_random_images(tmp_path / name, 10, seed=seed) for seed, name in enumerate("ab"))
    (tmp_path / "a/bad.png").write_bytes(b"\x89PNG rubbish")
    found = image_set_distance(str(tmp_path / "a"), str(tmp_path / "b"), device="cpu")
    x, y = (Inception("cpu").features(paths) for paths in (a, b))
    assert found.fid == pytest.approx(fid(x, y), rel=1e-6)
    assert found.counts == (10, 10)
    assert [Path(path).name for path, _ in found.failed] == ["bad.png"]
    assert found.kid == pytest.approx(kid(x, y), rel=1e-6)


def test_kid_samples_the_same_images_in_any_order() -> None:
    features = np.arange(20, dtype=np.float32).reshape(10, 2)
    names = [f"{index}.png" for index in range(10)]
    forwards, backwards = image_sets._Sample(4), image_sets._Sample(4)
    for index in range(10):
        forwards.add([names[index]], features[index : index + 1])
        backwards.add([names[9 - index]], features[9 - index : 10 - index])
    assert forwards.features().shape == (4, 2)
    np.testing.assert_array_equal(forwards.features(), backwards.features())


def test_one_image_is_refused(tmp_path: Path) -> None:
    for name, count in (("a", 1), ("b", 3)):
        write_random_images(tmp_path / name, count)
    with pytest.raises(UsageError, match="has 1 readable images"):
        image_set_distance(str(tmp_path / "a"), str(tmp_path / "b"), device="cpu")
