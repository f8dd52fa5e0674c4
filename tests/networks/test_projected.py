import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from i2i.config import from_json, to_json
from i2i.errors import ConfigError, ModelFileError
from i2i.methods.cut import CUTConfig
from i2i.networks import PatchGANConfig, ProjectedConfig
from i2i.pretrained.alexnet import AlexNetFeatures
from i2i.pretrained.lpips import load_lpips

SMALL = ProjectedConfig(ndf=2, receptive_field=16, head_width=4, weight_init="kaiming")


def images(size: int = 32, count: int = 2, channels: int = 3) -> Tensor:
    return torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(size)) * 2 - 1


@pytest.fixture(autouse=True)
def _seed(perceptual_weights: Path) -> None:
    torch.manual_seed(0)


def test_each_layer_has_a_head_and_the_patchgan_comes_last() -> None:
    logits = SMALL.build()(images(32))  # enlarged to 64: AlexNet's maps are 15, 7, 3, 3, 3
    assert [tuple(x.shape) for x in logits] == [(2, 1, 7, 7), (2, 1, 3, 3), (2, 1, 3, 3), (2, 1, 14, 14)]


def test_without_the_patchgan_only_the_heads_return_logits() -> None:
    config = ProjectedConfig(layers="5, 1", patchgan=False, head_width=4)
    assert [x.shape[2] for x in config.build()(images(32))] == [15, 3]


def test_the_features_are_exactly_those_of_the_lpips_library() -> None:
    x = images(64)
    library = load_lpips("")
    expected = library.net(library.scaling_layer(x))
    layers = AlexNetFeatures()(x, [1, 2, 3, 4, 5])
    assert all(torch.equal(y, expected[index]) for index, y in enumerate(layers))
    assert [y.shape[1] for y in layers] == list(AlexNetFeatures.CHANNELS)


def test_the_features_need_no_package_lpips_with_a_weights_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lpips", None)
    SMALL.build()(images())


def test_a_weights_file_of_another_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_file({"features.0.weight": torch.zeros(1)}, tmp_path / "lpips-alexnet-v0.1.safetensors")
    monkeypatch.setenv("I2I_WEIGHTS", str(tmp_path))
    with pytest.raises(ModelFileError, match=r"has no tensor 'features\.0\.bias'"):
        SMALL.build()


def test_no_optimizer_and_no_state_has_the_frozen_weights() -> None:
    network = SMALL.build()
    assert not any("backbone" in name for name in network.state_dict())
    assert not any("backbone" in name for name, _ in network.named_parameters())
    before = [value.clone() for value in network.backbone.buffers()]
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    torch.stack([x.mean() for x in network(images())]).sum().backward()
    optimizer.step()
    assert all(torch.equal(old, new) for old, new in zip(before, network.backbone.buffers(), strict=True))


def test_the_frozen_network_stays_in_evaluation_mode() -> None:
    assert not any(module.training for module in SMALL.build().train().backbone.modules())


def test_gradients_reach_the_image_through_the_frozen_features_alone() -> None:
    network = ProjectedConfig(patchgan=False, head_width=4, weight_init="kaiming").build()
    x = images().requires_grad_()
    torch.stack([y.mean() for y in network(x)]).sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_every_convolution_of_a_head_has_spectral_norm() -> None:
    network = ProjectedConfig(patchgan=False, head_width=4, weight_init="orthogonal").build()
    for _ in range(30):
        network(images())
    for layer in (module for module in network.heads.modules() if isinstance(module, nn.Conv2d)):
        assert float(torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)) == pytest.approx(1, abs=0.02)


def test_the_logits_depend_on_the_condition() -> None:
    network = SMALL.build(channels=6)
    pair = images(channels=6)
    other = torch.cat([-pair[:, :3], pair[:, 3:]], 1)
    assert [x.shape[1] for x in network(pair)] == [1, 1, 1, 1]
    assert not torch.equal(network(pair)[0], network(other)[0])


def test_with_features_returns_the_activations_of_all_parts() -> None:
    network = SMALL.build().eval()
    logits, activations = network.with_features(images())
    assert len(activations) == 3 * 2 + 2
    for output, expected in zip(logits, network(images()), strict=True):
        torch.testing.assert_close(output, expected)


def test_each_scale_of_the_patchgan_returns_logits() -> None:
    assert len(ProjectedConfig(ndf=2, receptive_field=16, scales=2, head_width=4).build()(images(64))) == 5


@pytest.mark.parametrize("layers", ["", "0", "6", "2,2", "two", "1;2"])
def test_layers_that_alexnet_does_not_have_are_refused(layers: str) -> None:
    with pytest.raises(ConfigError, match=r"different numbers from 1 to 5"):
        ProjectedConfig(layers=layers)


def test_an_image_too_small_for_alexnet_is_refused() -> None:
    assert ProjectedConfig(patchgan=False).min_input_size() == 16
    assert ProjectedConfig().min_input_size() == PatchGANConfig().min_input_size()
    with pytest.raises(ConfigError, match=r"at least 31 px .* size is 28\. Use a larger --size or --d-enlarge"):
        CUTConfig(discriminator=ProjectedConfig(enlarge=1.0, receptive_field=16)).build(28)


def test_a_config_saved_before_there_were_projected_discriminators_is_read() -> None:
    saved = to_json(CUTConfig())
    assert saved["discriminator"]["network"] == "patchgan"
    assert from_json(CUTConfig, saved).discriminator == PatchGANConfig(antialias=True, weight_init="xavier")
    again = to_json(CUTConfig(discriminator=SMALL))
    assert from_json(CUTConfig, again).discriminator == SMALL


def test_without_weights_the_message_names_another_discriminator(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: object) -> None:
        raise OSError("no network")

    monkeypatch.delenv("I2I_WEIGHTS")
    monkeypatch.setattr("i2i.pretrained.lpips._build", refuse)
    message = r"^The projected discriminator needs the weights of AlexNet\..*--discriminator patchgan"
    with pytest.raises(ModelFileError, match=message):
        SMALL.build()
