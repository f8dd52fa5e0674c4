import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from i2i.errors import BundleError, ConfigError
from i2i.losses.perceptual import Perceptual, check_perceptual
from i2i.pretrained import find_weights
from i2i.pretrained import lpips as perceptual
from i2i.pretrained.lpips import SMALLEST, WEIGHTS

REAL = find_weights(WEIGHTS)
with_real_weights = pytest.mark.skipif(REAL is None, reason=f"{WEIGHTS} is in no folder of I2I_WEIGHTS")


def pictures(size: int = 32, count: int = 2) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(size)) * 2 - 1


@pytest.fixture
def loss(perceptual_weights: Path) -> Perceptual:
    return Perceptual()


def library(path: Path) -> torch.nn.Module:
    """The package ``lpips`` called by hand, with the tensors of a file put where it keeps them."""
    import lpips

    network = lpips.LPIPS(net="alex", pretrained=False, pnet_rand=True, verbose=False)
    tensors, slices = load_file(path), {0: 1, 3: 2, 6: 3, 8: 4, 10: 5}
    with torch.no_grad():
        for place, part in slices.items():
            layer = getattr(network.net, f"slice{part}").get_submodule(str(place))
            layer.weight.copy_(tensors[f"features.{place}.weight"])
            layer.bias.copy_(tensors[f"features.{place}.bias"])
        for index, head in enumerate(network.lins):
            head.model[1].weight.copy_(tensors[f"lin{index}.model.1.weight"])
    return network.eval()


@pytest.mark.filterwarnings("ignore")
def test_the_distance_is_that_of_the_package(perceptual_weights: Path, loss: Perceptual) -> None:
    x, y = pictures(), pictures(33)[:, :, :32, :32]
    torch.testing.assert_close(loss(x, y), library(perceptual_weights / WEIGHTS)(x, y).mean())


@with_real_weights
@pytest.mark.filterwarnings("ignore")
def test_with_the_real_weights_the_distance_is_that_of_the_package_and_of_its_own_heads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import lpips

    monkeypatch.setenv("I2I_WEIGHTS", str(REAL.parent))
    loss, x, y = Perceptual(), pictures(64), pictures(65)[:, :, :64, :64]
    torch.testing.assert_close(loss(x, y), library(REAL)(x, y).mean())
    assert loss(x, x) == 0
    assert 1e-5 < loss(x, (x + 0.05).clamp(-1, 1)) < loss(x, y) < 2
    shipped = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)  # with the heads that are in the package
    for head, ours in zip(shipped.lins, loss.network.lins, strict=True):
        assert torch.equal(head.model[1].weight, ours.model[1].weight)


def test_equal_pictures_are_at_no_distance_and_differing_ones_at_some(loss: Perceptual) -> None:
    assert loss(pictures(), pictures()) == 0
    assert loss(pictures(), -pictures()) > 0


def test_the_gradient_reaches_the_pictures_alone(loss: Perceptual) -> None:
    x, y = pictures().requires_grad_(), (-pictures()).requires_grad_()
    loss(x, y).backward()
    assert x.grad.any()
    assert y.grad is None


def test_loss_and_gradient_are_finite_where_all_activations_are_0(loss: Perceptual) -> None:
    with torch.no_grad():
        for layer in loss.network.net.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.bias.fill_(-100)
    x = pictures().requires_grad_()
    found = loss(x, -pictures())
    found.backward()
    assert found == 0
    assert x.grad.isfinite().all()


def test_it_is_frozen_and_in_no_state_and_goes_where_its_owner_goes(loss: Perceptual) -> None:
    owner = torch.nn.ModuleDict({"perceptual": loss})
    assert list(owner.parameters()) == []
    assert owner.state_dict() == {}
    owner.load_state_dict({})
    assert {value.dtype for value in owner.double().buffers()} == {torch.float64}
    assert len(list(copy.deepcopy(owner).buffers())) == 17


def test_dropout_stays_off_in_training(loss: Perceptual) -> None:
    owner = torch.nn.ModuleDict({"perceptual": loss}).train()
    assert not any(module.training for module in loss.modules())
    assert owner.training
    assert loss(pictures(), -pictures()) == loss(pictures(), -pictures())


def test_it_is_computed_in_float32_under_autocast(loss: Perceptual) -> None:
    x, y = pictures(), -pictures()
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(x.bfloat16(), y)
    assert found.dtype == torch.float32
    assert torch.equal(found, loss(x.bfloat16().float(), y))


def test_loading_it_draws_nothing_at_random(perceptual_weights: Path) -> None:
    before = torch.get_rng_state()
    Perceptual()
    assert torch.equal(torch.get_rng_state(), before)


def test_pictures_of_the_smallest_size_pass_and_smaller_ones_are_refused(loss: Perceptual) -> None:
    assert loss(pictures(SMALLEST), -pictures(SMALLEST)).isfinite()
    check_perceptual(1.0, SMALLEST)
    check_perceptual(0.0, 1)
    with pytest.raises(ConfigError, match=f"at least {SMALLEST} px; size is {SMALLEST - 1}"):
        check_perceptual(1.0, SMALLEST - 1)
    with pytest.raises(RuntimeError):
        loss(pictures(SMALLEST - 1), pictures(SMALLEST - 1))


def test_a_file_with_other_tensors_is_refused_by_name(
    perceptual_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path))
    path, tensors = tmp_path / WEIGHTS, load_file(perceptual_folder / WEIGHTS)
    save_file({name: value for name, value in tensors.items() if name != "features.3.bias"}, path)
    with pytest.raises(BundleError, match=r"has no tensor 'features\.3\.bias'"):
        Perceptual()
    save_file({**tensors, "features.3.bias": torch.zeros(3)}, path)
    with pytest.raises(BundleError, match="does not fit LPIPS"):
        Perceptual()


def test_without_weights_and_without_a_network_the_error_names_the_folder_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def offline(**_: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(perceptual, "_library", offline)
    with pytest.raises(BundleError, match=rf"{WEIGHTS} is in no folder of \$I2I_WEIGHTS .*no route to host.*Set I2I_W"):
        Perceptual()


def test_objectives_that_do_not_ask_for_it_import_neither_the_package_nor_torchvision() -> None:
    code = (
        "import sys\nfrom i2i.methods.pix2pix import Pix2PixConfig\nfrom i2i.networks import UnetConfig\n"
        "Pix2PixConfig(generator=UnetConfig(ngf=1)).build(32)\nprint(*{'lpips', 'torchvision'} & set(sys.modules))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ})
    assert found.stdout.split() == []
