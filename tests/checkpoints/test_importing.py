"""Models of other programs become models of i2i: with a card, for every command."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import i2i
from i2i.checkpoints.foreign import ImportOptions
from i2i.checkpoints.importing import read_models, save_import
from i2i.checkpoints.inventory import StoredModel, stored_models
from i2i.checkpoints.model_file import load_model_file, load_model_info
from i2i.demo.labels import card_caption, origin
from i2i.demo.model_registry import ModelRegistry
from i2i.errors import RunError, UsageError
from i2i.methods.cyclegan import CycleGANConfig
from i2i.networks import PatchGANConfig, ResnetConfig
from i2i.training.warm_start import load_matching_weights
from tests.checkpoints.foreign.architectures import ReferenceResnet, ReferenceUnet, randomise
from tests.cli.in_process import run
from tests.conftest import random_image, write_random_images


def save(network: torch.nn.Module, name: str) -> Path:
    torch.save(network.state_dict(), name)
    return Path(name)


@pytest.fixture
def both() -> list[Path]:
    """The generators of a CycleGAN, one a file."""
    return [save(randomise(ReferenceResnet(), seed), f"latest_net_G_{end}.pth") for seed, end in enumerate("AB")]


def test_two_files_become_one_model_with_both_directions(
    both: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--name", "horses", "--data", "horse2zebra", "--licence", "BSD", "--title", "Horses to zebras"]
    assert run(monkeypatch, "models", "import", *map(str, both), *words) == 0
    info = load_model_info(Path("checkpoints/horses/weights.safetensors"))
    assert info.directions == ("AtoB", "BtoA")
    assert info.source.startswith("latest_net_G_A.pth, SHA-256 ")
    card = Path("checkpoints/horses/card.md").read_text()
    for text in ("Horses to zebras", "latest_net_G_A.pth", "latest_net_G_B.pth", "| BSD |", "horse2zebra", "2 blocks"):
        assert text in card
    photo = random_image(1, 32, 32)
    for direction, path in zip(info.directions, both, strict=True):
        reference = ReferenceResnet().eval()
        reference.load_state_dict(torch.load(path, weights_only=True))
        with torch.no_grad():
            expected = reference(torch.from_numpy(np.array(photo)).permute(2, 0, 1)[None] / 127.5 - 1)
        found = np.asarray(i2i.load("horses", direction, device="cpu", precision="float32")(photo))
        levels = ((expected[0].permute(1, 2, 0) + 1) * 127.5).round().clamp(0, 255).numpy()
        assert np.abs(found - levels).max() <= 1
    assert run(monkeypatch, "models", "info", "horses") == 0
    assert run(monkeypatch, "models", "list") == 0
    assert "imported" in capsys.readouterr().out


def test_the_order_of_the_files_does_not_matter(both: list[Path]) -> None:
    forward, backward = (read_models(paths, ImportOptions()) for paths in (both, both[::-1]))
    assert forward.tensors.keys() == backward.tensors.keys()
    assert all(torch.equal(value, backward.tensors[name]) for name, value in forward.tensors.items())


def test_a_file_is_converted_and_evaluated_without_an_import(both: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    write_random_images(Path("photos"), 1)
    assert run(monkeypatch, "convert", str(both[1]), "photos", "--out", "out", "--device", "cpu") == 0
    assert Image.open("out/000.png").size == (16, 16)
    assert i2i.load(both[1]).direction == "BtoA"
    chained = i2i.load(f"{both[0]}+{both[1]}", device="cpu")(random_image(0))
    assert chained.size == (16, 16)


def test_an_imported_model_is_in_the_list_and_the_demo(both: list[Path]) -> None:
    save_import("horses", read_models(both, ImportOptions(data="horse2zebra")))
    stored = [model for model in stored_models() if isinstance(model, StoredModel)]
    assert "horses" in [model.name for model in stored]
    registry = ModelRegistry("cpu")
    model = registry.model("horses")
    assert origin(model).startswith("imported from latest_net_G_A.pth")
    assert card_caption(model) == "horse ↔ zebra\nhorses"
    assert registry.translate("horses", "BtoA", random_image(0)).size == (16, 16)


def test_training_continues_from_an_imported_model(both: list[Path]) -> None:
    save_import("horses", read_models(both, ImportOptions()))
    generator = ResnetConfig(ngf=4, blocks=2)
    method = CycleGANConfig(generator=generator, discriminator=PatchGANConfig(ndf=2, receptive_field=16)).build(16)
    load_matching_weights(method, "horses")
    expected = load_model_file(Path("checkpoints/horses/weights.safetensors"))
    for direction, network in method.translators().items():
        for name, value in network.state_dict().items():
            torch.testing.assert_close(value, expected.tensors[f"{direction}.{name}"])
    load_matching_weights(method, str(both[0]))


def test_what_does_not_fit_together_is_refused(both: list[Path]) -> None:
    other = save(randomise(ReferenceResnet(blocks=3)), "other_G_B.pth")
    with pytest.raises(UsageError, match=r"different networks: ResNet generator of 2 blocks.*of 3 blocks"):
        read_models([both[0], other], ImportOptions())
    with pytest.raises(UsageError, match="both BtoA by their names"):
        read_models([both[1], other], ImportOptions())
    with pytest.raises(UsageError, match="is for a single file"):
        read_models(both, ImportOptions(direction="BtoA"))
    with pytest.raises(UsageError, match="there are 3 files"):
        read_models([*both, other], ImportOptions())
    with pytest.raises(UsageError, match="'up' is no direction"):
        read_models(both[:1], ImportOptions(direction="up"))
    with pytest.raises(UsageError, match="has no dropout"):
        read_models(both[:1], ImportOptions(dropout=0.5))
    with pytest.raises(UsageError, match="are for residual generators"):
        read_models([save(randomise(ReferenceUnet()), "u.pth")], ImportOptions(block_padding="replicate"))
    with pytest.raises(UsageError, match="--size 4 is not"):
        read_models(both[:1], ImportOptions(size=4))


def test_nothing_is_overwritten(both: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    model_file = read_models(both[:1], ImportOptions())
    path = save_import("mine", model_file)
    with pytest.raises(RunError, match="exists already"):
        save_import("mine", model_file)
    with pytest.raises(RunError, match="comes with i2i"):
        save_import("denoise", model_file)
    with pytest.raises(RunError, match="cannot name a run"):
        save_import("../mine", model_file)
    assert load_model_file(path).info.directions == ("AtoB",)
    assert run(monkeypatch, "models", "import", str(both[0]), "--name", "mine") == 2
    assert run(monkeypatch, "models", "import", "missing.pth", "--name", "new") == 2
    assert run(monkeypatch, "models", "import", str(both[0]), "--name", "new", "--task", "nothing") == 2
    assert not Path("checkpoints/new").exists()


def test_a_model_file_of_i2i_is_kept_as_it_is(both: list[Path]) -> None:
    original = save_import("mine", read_models(both, ImportOptions(licence="MIT")))
    copy = save_import("copy", read_models([original], ImportOptions()))
    assert copy.read_bytes() == original.read_bytes()
