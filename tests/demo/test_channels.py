"""Models of any channels and of label maps on the page: what is read, shown, said and returned."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from i2i.config import to_json
from i2i.demo.batch import FolderTranslator
from i2i.demo.channels import read_upload
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.output import OutputOptions
from i2i.demo.session_history import SessionResult
from i2i.demo.tabs.channel_input import format_choices, legend
from i2i.demo.tabs.training import TrainingTab
from i2i.demo.translation import PhotoTranslator
from i2i.demo.uploads import UploadStore
from i2i.errors import ImageError, UsageError
from i2i.images.label_classes import LabelClasses
from i2i.images.pixel_format import PixelFormat
from i2i.inference.finishing import Finishing
from i2i.inference.loading import load
from i2i.networks import ResnetConfig
from tests.conftest import write_model_file
from tests.demo.conftest import upload

CELLS = (
    PixelFormat(channels=2, dtype="uint16", value_range=(0, 4095)),
    PixelFormat(channels=1, dtype="uint16", value_range=(0, 4095)),
)
LABELS = (PixelFormat.of_labels(LabelClasses(count=3, ignore=255, palette=((0, 0, 255), (0, 99, 0)))), PixelFormat())
NOISE = np.random.default_rng(0).integers(0, 4095, (20, 24, 2)).astype(np.uint16)
IDS = np.arange(20 * 24).reshape(20, 24) % 3


def write_channel_model(folder: Path, formats: tuple[PixelFormat, PixelFormat], **metadata: Any) -> None:
    """Write the model file of a run from A to B with random weights."""
    config = ResnetConfig(ngf=2, blocks=1)
    torch.manual_seed(0)
    network = config.build(16, *(format.channels for format in formats))
    tensors = {f"AtoB.{name}": value for name, value in network.state_dict().items()}
    metadata |= {
        "generator": to_json(config), "size": 16, "directions": ["AtoB"], "data": {"name": "mine"},
        "formats": [format.to_json() for format in formats],
    }  # fmt: skip
    write_model_file(folder / "weights.safetensors", metadata, tensors)


@pytest.fixture
def translator(store: UploadStore, work_dir: Path) -> PhotoTranslator:
    """The models "cells", of two channels with 12 bits, and "landcover", of label maps."""
    write_channel_model(work_dir / "checkpoints" / "cells", CELLS)
    write_channel_model(work_dir / "checkpoints" / "landcover", LABELS)
    return PhotoTranslator(ModelRegistry("cpu"), store)


def tiff(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric="minisblack", planarconfig="contig")
    return file.getvalue()


def npy(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, values)
    return file.getvalue()


def palette_png(ids: np.ndarray, palette: list[int]) -> bytes:
    image = Image.fromarray(ids.astype(np.uint8))
    image.putpalette(palette)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(("name", "encode", "suffix"), [("a.tif", tiff, "tif"), ("a.npy", npy, "npy")])
def test_a_result_has_the_samples_of_the_model_in_the_format_of_the_upload(
    name: str, encode: Any, suffix: str, translator: PhotoTranslator
) -> None:
    path = upload(translator.store, name, encode(NOISE))
    result = translator(path, "cells")
    expected = load("cells", device="cpu")(NOISE)
    assert result.file_name(f".{result.own_format}") == f"a-cells-AtoB.{suffix}"
    data = io.BytesIO(result.encode())
    found = tifffile.imread(data)[..., None] if suffix == "tif" else np.load(data)
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, expected)
    assert "The input is shown with channel 1 red, 2 cyan, the result as grey" in result.summary()
    red = np.asarray(result.photo)[..., 0].astype(float)
    assert np.abs(red - NOISE[..., 0] / 4095 * 255).max() <= 0.5
    grey = np.asarray(result.output)
    assert (grey == grey[..., :1]).all()


def test_a_label_map_is_shown_in_its_colours_and_becomes_a_picture(translator: PhotoTranslator) -> None:
    path = upload(translator.store, "map.png", palette_png(IDS, [0, 0, 255, 0, 99, 0, 9, 9, 9]))
    result = translator(path, "landcover")
    assert np.asarray(result.photo)[0, 0].tolist() == [0, 0, 255]
    assert result.own_format == "png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(result.encode()))), load("landcover")(IDS))
    html = legend(LABELS[0].labels)
    assert "#0000ff" in html
    assert "255, ignored" in html


def test_a_file_that_the_model_does_not_take_is_refused_with_the_reason(translator: PhotoTranslator) -> None:
    store, models = translator.store, translator.registry
    three = upload(store, "three.npy", npy(np.zeros((20, 20, 3), np.uint16)))
    with pytest.raises(ImageError, match=r"three\.npy has 3 channels; 2 are needed"):
        translator(three, "cells")
    with pytest.raises(ImageError, match=r"map\.npy has the class id 7; there are 3 classes"):
        translator(upload(store, "map.npy", npy(np.full((20, 20), 7))), "landcover")
    other = upload(store, "map.png", palette_png(IDS, [1, 2, 3]))
    with pytest.raises(ImageError, match=r"map\.png has another palette"):
        read_upload(store, other, models.model("landcover"), "AtoB")
    with pytest.raises(UsageError, match=r"Blend and grain: only for photos.*cells takes 2 channels of uint16"):
        translator(three, "cells", finishing=Finishing(grain=2))


def test_a_result_of_channels_is_exported_in_the_formats_that_store_it(translator: PhotoTranslator) -> None:
    store = translator.store
    path = upload(store, "a.tif", tiff(NOISE))
    made = SessionResult.save(path, translator(path, "cells"), store)
    assert made.formats == ["png", "tif", "npy"]
    own = tifffile.imread(made.file)
    np.testing.assert_array_equal(np.load(made.export(OutputOptions("npy"), store))[..., 0], own)
    with Image.open(made.export(OutputOptions("png"), store)) as png:
        np.testing.assert_array_equal(np.asarray(png), own)
    assert made.options_for(OutputOptions("jpg")).format == "tif"
    assert made.export(OutputOptions.parse(None, None), store) == made.file
    assert made.full_size_viewer(store).count("gradio_api/file=") == 2


def test_the_choice_of_formats_follows_the_model(translator: PhotoTranslator) -> None:
    cells = translator.registry.model("cells")
    assert [name for _, name in format_choices(cells)] == ["own", "png", "tif", "npy"]
    assert [name for _, name in format_choices(None)] == ["png", "jpg", "webp", "avif", "tif"]
    assert "cells" not in translator.registry.chainable_names()


def test_a_folder_of_channels_becomes_a_zip_of_their_results(translator: PhotoTranslator) -> None:
    store = translator.store
    files = [upload(store, "a.tif", tiff(NOISE)), upload(store, "b.tif", tiff(np.dstack([NOISE, NOISE])))]
    result = FolderTranslator(translator.registry, store)(files, "cells")
    assert result.converted == ["a.tif"]
    assert "has 4 channels; 2 are needed" in result.failed[0][1]
    assert result.file is not None
    with zipfile.ZipFile(result.file) as archive:
        found = tifffile.imread(io.BytesIO(archive.read("a.tif")))
    np.testing.assert_array_equal(found[..., None], load("cells", device="cpu")(NOISE))
    assert len(result.previews) == 1


def test_files_that_form_one_image_are_joined_in_a_folder(translator: PhotoTranslator, work_dir: Path) -> None:
    store = translator.store
    settings = {"data": {"stack": "{stem}_{red,nir}.tif"}}
    write_channel_model(work_dir / "checkpoints" / "bands", CELLS, settings=settings)
    bands = {"b_red.tif": tiff(NOISE[..., 0]), "b_nir.tif": tiff(NOISE[..., 1])}
    with zipfile.ZipFile(packed := store.new_path("scenes.zip"), "w") as archive:
        for name, data in bands.items():
            archive.writestr(name, data)
        archive.writestr("c_red.tif", tiff(NOISE[..., 0]))
    loose = [upload(store, name.replace("b_", "a_"), data) for name, data in bands.items()]
    files = [*loose, packed, upload(store, "d.tif", tiff(NOISE))]
    result = FolderTranslator(translator.registry, store)(files, "bands")
    assert sorted(result.converted) == ["a.tif", "b.tif", "d.tif"]
    assert result.failed == [
        ("scenes/c_{red,nir}.tif", "c_nir.tif is missing. An image of several files needs all of them.")
    ]
    assert result.file is not None
    with zipfile.ZipFile(result.file) as archive:
        a, b, d = (archive.read(f"{stem}.tif") for stem in "abd")
    assert a == b
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(a)), tifffile.imread(io.BytesIO(d)))
    with pytest.raises(UsageError, match=r"Two files have the name a_red\.tif"):
        FolderTranslator(translator.registry, store)([loose[0], upload(store, "a_red.tif", b"")], "bands")


def test_the_checkpoints_of_a_model_of_channels_are_tried_on_a_file(translator: PhotoTranslator) -> None:
    store = translator.store
    file = upload(store, "cells.tif", tiff(NOISE))
    *_, page = TrainingTab(translator.registry, store).try_all("cells", "AtoB", None, file)
    assert "Your file, with channel 1 red, 2 cyan" in page
    assert page.count("<img") == 2
