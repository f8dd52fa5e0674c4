import copy
from pathlib import Path

import pytest
import torch
import torchvision
from safetensors.torch import load_file, save_file
from torch import Tensor

from i2i.errors import ConfigError, ModelFileError
from i2i.losses.perceptual import (
    LPIPSLoss,
    PerceptualNetwork,
    VGGLoss,
    build_perceptual_loss,
    require_perceptual_size,
)
from i2i.pretrained import find_weights
from i2i.pretrained import lpips as pretrained_lpips
from i2i.pretrained.lpips import LPIPS_MIN_SIZE, WEIGHTS_FILE
from i2i.pretrained.vgg import VGG_MIN_SIZE, weights_file
from tests import forked_process

IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

REAL = find_weights(WEIGHTS_FILE)
with_real_weights = pytest.mark.skipif(REAL is None, reason=f"{WEIGHTS_FILE} is in no folder of I2I_WEIGHTS")


def images(size: int = 32, count: int = 2) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(size)) * 2 - 1


@pytest.fixture
def loss(perceptual_weights: Path) -> LPIPSLoss:
    return LPIPSLoss()


def lpips_of_package(path: Path) -> torch.nn.Module:
    """Return the network of the package ``lpips`` with the tensors of a file copied into it."""
    import lpips

    network = lpips.LPIPS(net="alex", pretrained=False, pnet_rand=True, verbose=False)
    tensors, slices = load_file(path), {0: 1, 3: 2, 6: 3, 8: 4, 10: 5}
    with torch.no_grad():
        for layer_index, slice_index in slices.items():
            layer = getattr(network.net, f"slice{slice_index}").get_submodule(str(layer_index))
            layer.weight.copy_(tensors[f"features.{layer_index}.weight"])
            layer.bias.copy_(tensors[f"features.{layer_index}.bias"])
        for index, head in enumerate(network.lins):
            head.model[1].weight.copy_(tensors[f"lin{index}.model.1.weight"])
    return network.eval()


@pytest.mark.filterwarnings("ignore")
def test_the_distance_equals_that_of_the_lpips_package(perceptual_weights: Path, loss: LPIPSLoss) -> None:
    x, y = images(), images(33)[:, :, :32, :32]
    torch.testing.assert_close(loss(x, y), lpips_of_package(perceptual_weights / WEIGHTS_FILE)(x, y).mean())


@with_real_weights
@pytest.mark.filterwarnings("ignore")
def test_with_the_real_weights_distance_and_heads_equal_those_of_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import lpips

    monkeypatch.setenv("I2I_WEIGHTS", str(REAL.parent))
    loss, x, y = LPIPSLoss(), images(64), images(65)[:, :, :64, :64]
    torch.testing.assert_close(loss(x, y), lpips_of_package(REAL)(x, y).mean())
    assert loss(x, x) == 0
    assert 1e-5 < loss(x, (x + 0.05).clamp(-1, 1)) < loss(x, y) < 2
    shipped = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)  # with the heads that are in the package
    for expected, head in zip(shipped.lins, loss.network.lins, strict=True):
        assert torch.equal(expected.model[1].weight, head.model[1].weight)


def test_the_training_loss_moves_the_images_over_the_stride_of_alexnet(
    perceptual_weights: Path, loss: LPIPSLoss
) -> None:
    torch.manual_seed(0)
    training_loss = build_perceptual_loss("alexnet")
    x, y = images(38, count=1), images(39, count=1)[:, :, :38, :38]
    expected = {
        (top, left): float(loss(*(image[:, :, top : top + 35, left : left + 35] for image in (x, y))))
        for top in range(4)
        for left in range(4)
    }
    assert len(set(expected.values())) == 16
    found = [float(training_loss(x, y)) for _ in range(100)]
    shifts = {min(expected, key=lambda shift: abs(expected[shift] - value)) for value in found}
    assert all(min(abs(value - other) for other in expected.values()) < 1e-6 for value in found)
    assert len(shifts) > 12
    assert training_loss(x, x) == 0
    pair = float(training_loss(torch.cat([x, x]), torch.cat([y, y])))
    halves = list(expected.values())
    assert min(abs(pair - (one + other) / 2) for one in halves for other in halves) < 1e-6


def test_images_of_the_smallest_size_are_not_moved(perceptual_weights: Path, loss: LPIPSLoss) -> None:
    x, y = images(LPIPS_MIN_SIZE), -images(LPIPS_MIN_SIZE)
    assert build_perceptual_loss("alexnet")(x, y) == loss(x, y)


def test_the_distance_is_zero_only_for_equal_images(loss: LPIPSLoss) -> None:
    assert loss(images(), images()) == 0
    assert loss(images(), -images()) > 0


def test_only_the_images_get_a_gradient(loss: LPIPSLoss) -> None:
    x, y = images().requires_grad_(), (-images()).requires_grad_()
    loss(x, y).backward()
    assert x.grad.any()
    assert y.grad is None


def test_loss_and_gradient_are_finite_if_all_features_are_0(loss: LPIPSLoss) -> None:
    with torch.no_grad():
        for layer in loss.network.net.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.bias.fill_(-100)
    x = images().requires_grad_()
    result = loss(x, -images())
    result.backward()
    assert result == 0
    assert x.grad.isfinite().all()


def test_the_network_is_frozen_and_in_no_state_and_moves_with_its_owner(loss: LPIPSLoss) -> None:
    owner = torch.nn.ModuleDict({"perceptual": loss})
    assert list(owner.parameters()) == []
    assert owner.state_dict() == {}
    owner.load_state_dict({})
    assert {value.dtype for value in owner.double().buffers()} == {torch.float64}
    assert len(list(copy.deepcopy(owner).buffers())) == 17


def test_dropout_is_off_in_training_mode(loss: LPIPSLoss) -> None:
    owner = torch.nn.ModuleDict({"perceptual": loss}).train()
    assert not any(module.training for module in loss.modules())
    assert owner.training
    assert loss(images(), -images()) == loss(images(), -images())


def test_the_loss_is_computed_in_float32_under_autocast(loss: LPIPSLoss) -> None:
    x, y = images(), -images()
    with torch.autocast("cpu", torch.bfloat16):
        result = loss(x.bfloat16(), y)
    assert result.dtype == torch.float32
    assert torch.equal(result, loss(x.bfloat16().float(), y))


def test_loading_leaves_the_random_state_unchanged(perceptual_weights: Path) -> None:
    before = torch.get_rng_state()
    LPIPSLoss()
    assert torch.equal(torch.get_rng_state(), before)


def test_images_of_the_minimum_size_are_accepted_and_smaller_ones_refused(loss: LPIPSLoss) -> None:
    assert loss(images(LPIPS_MIN_SIZE), -images(LPIPS_MIN_SIZE)).isfinite()
    require_perceptual_size(1.0, "alexnet", LPIPS_MIN_SIZE)
    require_perceptual_size(0.0, "alexnet", 1)
    with pytest.raises(ConfigError, match=f"at least {LPIPS_MIN_SIZE} px; size is {LPIPS_MIN_SIZE - 1}"):
        require_perceptual_size(1.0, "alexnet", LPIPS_MIN_SIZE - 1)
    with pytest.raises(RuntimeError):
        loss(images(LPIPS_MIN_SIZE - 1), images(LPIPS_MIN_SIZE - 1))


def test_a_file_with_wrong_tensors_raises_an_error_that_names_them(
    perceptual_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path))
    path, tensors = tmp_path / WEIGHTS_FILE, load_file(perceptual_folder / WEIGHTS_FILE)
    save_file({name: value for name, value in tensors.items() if name != "features.3.bias"}, path)
    with pytest.raises(ModelFileError, match=r"has no tensor 'features\.3\.bias'"):
        LPIPSLoss()
    save_file({**tensors, "features.3.bias": torch.zeros(3)}, path)
    with pytest.raises(ModelFileError, match="does not fit LPIPS"):
        LPIPSLoss()


def test_without_weights_and_offline_the_error_names_the_variable_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def offline(**_: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(pretrained_lpips, "_build", offline)
    with pytest.raises(
        ModelFileError, match=rf"{WEIGHTS_FILE} is in no folder of \$I2I_WEIGHTS .*no route to host.*Set I2I_W"
    ):
        LPIPSLoss()


def test_a_method_without_perceptual_loss_imports_neither_lpips_nor_torchvision() -> None:
    code = (
        "import sys\nfrom i2i.methods.pix2pix import Pix2PixConfig\nfrom i2i.networks import UnetConfig\n"
        "Pix2PixConfig(generator=UnetConfig(ngf=1)).build(32)\nprint(*{'lpips', 'torchvision'} & set(sys.modules))"
    )
    result = forked_process.run("-c", code)
    assert (result.returncode, result.stdout.split()) == (0, []), result.stderr


@pytest.fixture(scope="module")
def vgg_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, generator = tmp_path_factory.mktemp("vgg"), torch.Generator().manual_seed(0)
    for name in ("vgg16", "vgg19"):
        with torch.device("meta"):
            features = getattr(torchvision.models, name)(weights=None).features
        tensors = {}
        for key, value in features.state_dict().items():
            scale = (2 / value[0].numel()) ** 0.5 if value.dim() == 4 else 0.1
            tensors[f"features.{key}"] = torch.randn(value.shape, generator=generator).mul_(scale).half()
        torch.save(tensors, folder / weights_file(name))
    return folder


class TestVGG:
    """The networks VGG16 (LPIPS) and VGG19, with random weights in the files that torchvision has."""

    @pytest.fixture(autouse=True)
    def weights(self, vgg_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("I2I_WEIGHTS", str(vgg_folder))

    def test_vgg19_is_the_weighted_l1_distance_of_its_features(self, vgg_folder: Path) -> None:
        x, y = images(), -images()
        with torch.device("meta"):
            network = torchvision.models.vgg19(weights=None).features[:30]
        state = torch.load(vgg_folder / weights_file("vgg19"), weights_only=True)
        network.load_state_dict({key: state[f"features.{key}"].float() for key in network.state_dict()}, assign=True)
        mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in IMAGENET)
        expected, a, b = torch.zeros(()), ((x + 1) / 2 - mean) / deviation, ((y + 1) / 2 - mean) / deviation
        weights = {1: 1 / 32, 6: 1 / 16, 11: 1 / 8, 20: 1 / 4, 29: 1.0}
        with torch.no_grad():
            for index, layer in enumerate(network):
                a, b = layer(a), layer(b)
                if index in weights:
                    expected += weights[index] * (a - b).abs().mean()
        loss = build_perceptual_loss("vgg19")
        assert loss(x, y).item() == pytest.approx(expected.item(), rel=1e-5)
        assert loss(x, x) == 0

    @pytest.mark.filterwarnings("ignore")
    def test_vgg16_equals_the_lpips_package_with_its_own_heads(self, vgg_folder: Path) -> None:
        import lpips

        with torch.device("meta"):
            backbone = lpips.pretrained_networks.vgg16(pretrained=False, requires_grad=False)
        state = torch.load(vgg_folder / weights_file("vgg16"), weights_only=True)
        named = {key: state["features." + key.split(".", 1)[1]].float() for key in backbone.state_dict()}
        backbone.load_state_dict(named, assign=True)
        heads = Path(lpips.__file__).parent / "weights/v0.1/vgg.pth"
        lins = list(torch.load(heads, map_location="cpu", weights_only=True).values())
        x, y = images(), -images()
        expected = torch.zeros(())
        with torch.no_grad():
            scaled = [lpips.ScalingLayer()(image) for image in (x, y)]
            for a, b, head in zip(*(backbone(image) for image in scaled), lins, strict=True):
                unit_a, unit_b = lpips.normalize_tensor(a), lpips.normalize_tensor(b)
                expected += torch.nn.functional.conv2d((unit_a - unit_b) ** 2, head).mean()
        assert build_perceptual_loss("vgg16")(x, y).item() == pytest.approx(expected.item(), rel=1e-4)

    @pytest.mark.parametrize("network", ["vgg16", "vgg19"])
    def test_only_the_images_get_a_gradient_and_the_network_is_in_no_state(self, network: PerceptualNetwork) -> None:
        loss = build_perceptual_loss(network)
        x, y = images().requires_grad_(), (-images()).requires_grad_()
        loss(x, y).backward()
        assert x.grad.any()
        assert y.grad is None
        assert list(loss.parameters()) == []
        assert loss.state_dict() == {}
        assert loss(images(VGG_MIN_SIZE), -images(VGG_MIN_SIZE)).isfinite()
        with pytest.raises(ConfigError, match="at least 16 px; size is 15"):
            require_perceptual_size(1.0, network, 15)

    def test_a_damaged_file_is_named_and_a_missing_one_too(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path))
        path = tmp_path / weights_file("vgg19")
        path.write_bytes(b"no weights")
        with pytest.raises(ModelFileError, match=rf"{path.name} is no readable file of weights.*Replace or remove"):
            VGGLoss()
        torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
        with pytest.raises(ModelFileError, match=r"vgg19-dcbb9e9d\.pth has no tensor 'features\.0\.bias'"):
            VGGLoss()
        path.unlink()
        monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
        with pytest.raises(ModelFileError, match=r"vgg19-dcbb9e9d\.pth is in no folder.*no route to host.*Set I2I_W"):
            VGGLoss()


def offline(*_: object, **__: object) -> None:
    raise OSError("no route to host")
