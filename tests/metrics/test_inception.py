from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from i2i.errors import ImageError, ModelFileError
from i2i.metrics import Inception
from i2i.pretrained import find_weights
from i2i.pretrained.inception import WEIGHT_FILES
from tests.conftest import random_image, write_random_images
from tests.metrics.standin import ChannelStatistics

REAL = find_weights(WEIGHT_FILES[1])


def test_features_are_in_the_order_of_the_images_for_any_sizes(tmp_path: Path) -> None:
    files: list[Path | Image.Image] = [*write_random_images(tmp_path, 20), random_image(5, 24, 8), random_image(6)]
    progress: list[int] = []
    features = Inception("cpu", ChannelStatistics()).features(files, progress.append)
    assert features.shape == (22, 6)
    for file, row in zip(files, features, strict=True):
        pixels = np.asarray(Image.open(file) if isinstance(file, Path) else file, dtype=np.float64)
        assert row[:3] == pytest.approx(pixels.mean((0, 1)) / 64, rel=1e-5)
    assert progress == [16, 22]


def test_images_may_come_from_a_generator_and_may_be_none(tmp_path: Path) -> None:
    network = Inception("cpu", ChannelStatistics())
    assert network.features(random_image(k) for k in range(3)).shape == (3, 6)
    assert network.features([]).shape == (0, 2048)


def test_an_unreadable_file_raises_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("x")
    with pytest.raises(ImageError, match=r"a\.png"):
        Inception("cpu", ChannelStatistics()).features([tmp_path / "a.png"])


def test_an_image_of_one_pixel_is_accepted() -> None:
    assert Inception("cpu", ChannelStatistics()).features([Image.new("RGB", (1, 1), "red")])[0, 0] == 255 / 64


def test_the_hash_depends_only_on_the_weights() -> None:
    network = ChannelStatistics()
    first = Inception("cpu", network).hash
    assert Inception("cpu", ChannelStatistics()).hash == first
    with torch.no_grad():
        network.scale += 1
    assert Inception("cpu", network).hash != first


def test_weights_in_no_folder_are_downloaded_and_never_random(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def offline(layers: list[str], weights: object = None) -> nn.Module:
        assert weights is None
        raise OSError("no route to host")

    monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path))
    monkeypatch.setattr("i2i.pretrained.inception._build", offline)
    with pytest.raises(ModelFileError, match=r"is in no folder of \$I2I_WEIGHTS .*no route to host.*Set I2I_WEIGHTS"):
        Inception("cpu")


@pytest.mark.filterwarnings("ignore")
def test_a_file_of_another_network_is_refused_by_its_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    save_file({"features.0.weight": torch.zeros(1)}, tmp_path / WEIGHT_FILES[1])
    monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path))
    with pytest.raises(ModelFileError, match=rf"{WEIGHT_FILES[1]} does not fit Inception v3"):
        Inception("cpu")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(REAL is None, reason=f"{WEIGHT_FILES[1]} is in no folder of I2I_WEIGHTS")
def test_the_real_weights_leave_the_random_state_and_give_2048_features(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_rng_state()
    network = Inception("cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert not network.has_logits
    features, logits = network.features_and_logits([random_image(0, 40, 30)])
    assert features.shape == (1, 2048)
    assert logits is None
    assert 0.2 < features.mean() < 0.8
