"""Generators of other programs are recognised by their tensors, and compute the same in i2i."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from i2i.checkpoints.foreign import ImportOptions, import_foreign
from i2i.checkpoints.model_file import ModelFile
from i2i.errors import ModelFileError
from i2i.model_networks import build_translator
from tests.checkpoints.foreign.architectures import ReferenceResnet, ReferenceUnet, randomise

RESNETS: dict[str, dict[str, Any]] = {
    "CycleGAN": {},
    "CycleGAN, 6 blocks, other width": {"blocks": 6, "ngf": 3},
    "batch norm": {"norm": "batch"},
    "no norm": {"norm": "none"},
    "dropout": {"dropout": True},
    "zero padding": {"padding": "zeros"},
    "zero padding and dropout": {"padding": "zeros", "dropout": True},
    "grey to RGB": {"inputs": 1},
    "RGB to grey": {"outputs": 1, "norm": "batch"},
    "CUT": {"antialias": True, "antialias_up": True},
    "CUT, batch norm, dropout": {"antialias": True, "antialias_up": True, "norm": "batch", "dropout": True},
    "CUT without blurred upsampling": {"antialias": True},
    "CUT without blurred downsampling": {"antialias_up": True},
    "pix2pixHD": {"levels": 4, "ngf": 2, "bias": True},
    "pix2pixHD, batch norm": {"levels": 4, "ngf": 2, "bias": True, "norm": "batch"},
    "pix2pixHD, three levels": {"levels": 3, "ngf": 2, "bias": True},
}
UNETS: dict[str, dict[str, Any]] = {
    "batch norm": {"depth": 7}, "256 px": {"depth": 8, "ngf": 1}, "instance norm": {"norm": "instance", "depth": 6},
    "no norm": {"norm": "none"}, "grey": {"inputs": 1, "outputs": 1},
}  # fmt: skip


def save(network: nn.Module, name: str = "latest_net_G.pth", prefix: str = "", **options: Any) -> Path:
    torch.save({f"{prefix}{key}": value for key, value in network.state_dict().items()}, name, **options)
    return Path(name)


def imported(path: Path, **options: Any) -> nn.Module:
    """Return the network that i2i builds from a file."""
    model_file = ModelFile(*import_foreign(path, ImportOptions(**options)))
    return build_translator(path, model_file, model_file.info.directions[0])[0]


def photo(channels: int, side: int) -> tuple[Tensor, Tensor]:
    """Return what the reference takes and what i2i takes: the same image."""
    image = torch.rand(1, channels, side, side, generator=torch.Generator().manual_seed(1)).double() * 2 - 1
    return image, image.expand(1, 3, side, side)


def assert_same(reference: nn.Module, network: nn.Module, side: int, inputs: int = 3) -> None:
    """Compare both in evaluation mode and with batch statistics."""
    own, rgb = photo(inputs, side)
    for mode in (False, True):
        expected = no_dropout(reference.train(mode))(own)
        assert expected.std() > 0.05, "the comparison needs a network whose output is no constant"
        found = no_dropout(network.train(mode))(rgb)
        torch.testing.assert_close(found, expected.expand(1, 3, side, side), rtol=0, atol=1e-6)


def no_dropout(network: nn.Module) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    return network


@pytest.mark.parametrize("name", RESNETS)
@torch.no_grad()
def test_an_imported_resnet_generator_computes_the_same(name: str) -> None:
    options = RESNETS[name]
    reference = randomise(ReferenceResnet(**options)).double()
    path = save(reference)
    assert_same(reference, imported(path).double(), 32, options.get("inputs", 3))


@torch.no_grad()
def test_running_statistics_of_instance_norm_in_old_files_are_not_used() -> None:
    old = randomise(ReferenceResnet(tracked=True))
    reference = ReferenceResnet().double()
    reference.load_state_dict({name: x for name, x in old.state_dict().items() if "running" not in name}, strict=False)
    assert_same(reference, imported(save(old)).double(), 32)


@pytest.mark.parametrize("name", UNETS)
@torch.no_grad()
def test_an_imported_unet_computes_the_same(name: str) -> None:
    options = UNETS[name]
    reference = randomise(ReferenceUnet(**options)).double()
    side = 2 ** options.get("depth", 5) * 2  # batch statistics of a bottleneck of one pixel would be zero
    network = imported(save(reference)).double()
    assert_same(reference, network, side, options.get("inputs", 3))


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module.netG."])
@pytest.mark.parametrize("wrap", [lambda x: x, lambda x: {"epoch": 3, "state_dict": x, "optimizer": {}}])
@torch.no_grad()
def test_prefixes_and_tables_around_the_weights_do_not_matter(prefix: str, wrap: Any) -> None:
    reference = randomise(ReferenceResnet()).double()
    weights = {f"{prefix}{name}": value for name, value in reference.state_dict().items()}
    for legacy in (False, True):
        torch.save(wrap(weights), "G.pth", _use_new_zipfile_serialization=not legacy)
        assert_same(reference, imported(Path("G.pth")).double(), 16)


@torch.no_grad()
def test_options_tell_what_tensors_do_not() -> None:
    reference = randomise(ReferenceResnet(padding="replicate", tanh=False)).double()
    path = save(reference)
    assert_same(reference, imported(path, block_padding="replicate", output_activation="none").double(), 16)


def test_dropout_is_where_the_reference_has_it() -> None:
    path = save(randomise(ReferenceUnet(8, ngf=1, dropout=True)))
    network = imported(path)
    blocks = [level for level, block in enumerate(network.up) if any(isinstance(part, nn.Dropout) for part in block)]
    assert blocks == [4, 5, 6]
    assert not any(isinstance(module, nn.Dropout) for module in imported(path, dropout=0.0).modules())
    named = save(randomise(ReferenceUnet(8, ngf=1)), "latest_net_G_A.pth")
    assert not any(isinstance(module, nn.Dropout) for module in imported(named).modules())


@pytest.mark.parametrize(
    ("network", "mode"),
    [
        (ReferenceResnet(), "eval"), (ReferenceResnet(norm="batch"), "train"), (ReferenceResnet(dropout=True), "train"),
        (ReferenceUnet(), "train"), (ReferenceUnet(norm="instance", dropout=True), "train"),
    ],
)  # fmt: skip
def test_the_inference_mode_is_that_of_the_reference_by_default(network: nn.Module, mode: str) -> None:
    path = save(randomise(network))
    assert import_foreign(path)[0].generator["inference_mode"] == mode
    assert import_foreign(path, ImportOptions(inference_mode="eval"))[0].generator["inference_mode"] == "eval"


@pytest.mark.parametrize(
    ("name", "direction"),
    [
        ("latest_net_G_A.pth", "AtoB"), ("latest_net_G_B.pth", "BtoA"), ("netG_B2A.pth", "BtoA"), ("G_AB.pth", "AtoB"),
        ("latest_net_G.pth", "AtoB"), ("photo_BtoA.pth", "BtoA"), ("200_net_G_B.pth", "BtoA"), ("Gabor.pth", "AtoB"),
    ],
)  # fmt: skip
def test_the_name_of_a_file_tells_the_direction(name: str, direction: str) -> None:
    assert import_foreign(save(randomise(ReferenceResnet(ngf=1, blocks=1)), name))[0].directions == (direction,)


def test_networks_that_i2i_does_not_have_are_described() -> None:
    six = randomise(ReferenceResnet(inputs=36))
    with pytest.raises(
        ModelFileError, match=r"takes 36 channels and returns 3.*tensors: model\.1\.weight \(4, 36, 7, 7\)"
    ):
        import_foreign(save(six))
    discriminator = nn.Module()
    discriminator.model = nn.Sequential(nn.Conv2d(3, 4, 4), nn.LeakyReLU(), nn.Conv2d(4, 1, 4))
    with pytest.raises(ModelFileError, match=r"It has 4 tensors: .*resembles a PatchGAN discriminator"):
        import_foreign(save(discriminator, "latest_net_D.pth"))
    shallow = randomise(ReferenceUnet(10, ngf=1))
    weights = {name: value for name, value in shallow.state_dict().items() if "3.model.3.model.3.model.3" not in name}
    torch.save(weights, "cut.pth")
    with pytest.raises(ModelFileError, match=r"cut\.pth .*tensors"):
        import_foreign(Path("cut.pth"))


def test_other_blur_filters_than_those_of_cut_are_refused() -> None:
    network = randomise(ReferenceResnet(antialias=True))
    network.model[7].filt.mul_(2)
    with pytest.raises(ModelFileError, match="blur filters are not"):
        import_foreign(save(network))
