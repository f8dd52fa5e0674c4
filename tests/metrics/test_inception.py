from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

from i2i.errors import BundleError, PictureError
from i2i.metrics import Inception, inception
from i2i.metrics.inception import WEIGHTS
from i2i.pretrained import find_weights
from tests.conftest import picture, write_pictures
from tests.metrics.standin import Means

REAL = find_weights(WEIGHTS[1])


def test_features_are_in_the_order_of_the_pictures_whatever_their_sizes(tmp_path: Path) -> None:
    files: list[Path | Image.Image] = [*write_pictures(tmp_path, 20), picture(5, 24, 8), picture(6)]
    told: list[int] = []
    found = Inception("cpu", Means()).features(files, told.append)
    assert found.shape == (22, 6)
    for file, row in zip(files, found, strict=True):
        pixels = np.asarray(Image.open(file) if isinstance(file, Path) else file, dtype=np.float64)
        assert row[:3] == pytest.approx(pixels.mean((0, 1)) / 64, rel=1e-5)
    assert told == [16, 22]


def test_pictures_may_be_made_one_by_one_and_there_may_be_none(tmp_path: Path) -> None:
    network = Inception("cpu", Means())
    assert network.features(picture(k) for k in range(3)).shape == (3, 6)
    assert network.features([]).shape == (0, 2048)


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("x")
    with pytest.raises(PictureError, match=r"a\.png"):
        Inception("cpu", Means()).features([tmp_path / "a.png"])


def test_a_picture_of_one_pixel_is_a_picture() -> None:
    assert Inception("cpu", Means()).features([Image.new("RGB", (1, 1), "red")])[0, 0] == 255 / 64


def test_the_hash_is_of_the_weights_alone() -> None:
    network = Means()
    first = Inception("cpu", network).hash
    assert Inception("cpu", Means()).hash == first
    with torch.no_grad():
        network.scale += 1
    assert Inception("cpu", network).hash != first


def test_weights_are_asked_of_the_library_where_no_folder_has_them_and_never_drawn_at_random(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def offline(layers: list[str], weights: object = None) -> nn.Module:
        assert weights is None
        raise OSError("no route to host")

    monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(inception, "_library", offline)
    with pytest.raises(BundleError, match=r"is in no folder of \$I2I_WEIGHTS .*no route to host.*Set I2I_WEIGHTS"):
        Inception("cpu")


@pytest.mark.filterwarnings("ignore")
def test_a_file_of_another_network_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    save_file({"features.0.weight": torch.zeros(1)}, tmp_path / WEIGHTS[1])
    monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path))
    with pytest.raises(BundleError, match=rf"{WEIGHTS[1]} does not fit Inception v3"):
        Inception("cpu")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(REAL is None, reason=f"{WEIGHTS[1]} is in no folder of I2I_WEIGHTS")
def test_loading_the_real_weights_draws_nothing_and_gives_2048_features(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_rng_state()
    network = Inception("cpu")
    assert torch.equal(torch.get_rng_state(), before)
    assert not network.has_logits
    found, logits = network.features_and_logits([picture(0, 40, 30)])
    assert found.shape == (1, 2048)
    assert logits is None
    assert 0.2 < found.mean() < 0.8
