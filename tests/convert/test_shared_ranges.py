"""The images of a folder share one value range; a stated range and that of a model apply to every image."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from i2i.convert import convert_jobs, make_plan
from i2i.convert.api import Result
from i2i.convert.interfaces import SingleImageAdapter
from i2i.images import Writer
from i2i.images.value_range import ValueRanges, stated_ranges
from tests.images.in_process_reader import InProcessReader


def ramp(low: float, high: float, dtype: str = "float32") -> np.ndarray:
    return np.linspace(low, high, 256).reshape(16, 16).astype(dtype)


def write(folder: Path, **images: np.ndarray) -> Path:
    folder.mkdir()
    for name, image in images.items():
        tifffile.imwrite(folder / f"{name}.tif", image)
    return folder


def run(sources: list[Path], out: Path, **options: Any) -> Result:
    plan = make_plan(sources, out, "png")
    return convert_jobs(lambda image: image, plan, out, writer=Writer(), reader=InProcessReader(), **options)


def brightest(out: Path) -> dict[str, int]:
    return {path.stem: int(np.asarray(Image.open(path)).max()) for path in sorted(out.glob("*.png"))}


def test_the_images_of_a_folder_share_a_range(tmp_path: Path) -> None:
    source = write(tmp_path / "scans", a=ramp(0, 1), b=ramp(0, 255))
    run([source], tmp_path / "out")
    assert brightest(tmp_path / "out") == {"a": 1, "b": 255}


def test_images_named_one_by_one_have_the_range_of_their_type(tmp_path: Path) -> None:
    source = write(tmp_path / "scans", a=ramp(0, 1), b=ramp(0, 255))
    run(sorted(source.iterdir()), tmp_path / "out")
    assert brightest(tmp_path / "out") == {"a": 255, "b": 255}


def test_results_are_outdated_when_a_new_image_changes_the_range_of_the_folder(tmp_path: Path) -> None:
    source = write(tmp_path / "scans", a=ramp(0, 1))
    run([source], tmp_path / "out")
    assert brightest(tmp_path / "out") == {"a": 255}
    assert len(run([source], tmp_path / "out").converted) == 0
    tifffile.imwrite(source / "b.tif", ramp(0, 255))
    assert len(run([source], tmp_path / "out").converted) == 2
    assert brightest(tmp_path / "out") == {"a": 1, "b": 255}


@pytest.mark.parametrize(("dtype", "limits"), [("uint16", (0, 4095)), ("int16", (-1000, 3000)), ("uint8", (0, 20))])
def test_a_stated_range_applies_to_folders_and_single_images(
    tmp_path: Path, dtype: str, limits: tuple[float, float]
) -> None:
    source = write(tmp_path / "scans", a=ramp(*limits, dtype), b=ramp(*limits, dtype))
    for number, sources in enumerate(([source], sorted(source.iterdir()))):
        result = run(sources, tmp_path / str(number), value_ranges=stated_ranges(limits))
        assert brightest(tmp_path / str(number)) == {"a": 255, "b": 255}
        assert result.notices == []


@pytest.mark.parametrize(
    ("image", "advice"),
    [
        (ramp(0, 4000, "uint16"), "--value-range 0 4095"),
        (ramp(-1000, 3000, "int16"), "--value-range -1000 3000"),
        (ramp(0, 20, "uint8"), "--value-range 0 20"),
    ],
)
def test_narrow_values_are_named_with_the_range_to_state(tmp_path: Path, image: np.ndarray, advice: str) -> None:
    source = write(tmp_path / "scans", ids=image, more=image)
    for number, sources in enumerate(([source], sorted(source.iterdir()))):
        ((path, notice),) = run(sources, tmp_path / str(number)).notices
        assert path.name == "ids.tif"
        assert "ids.tif, more.tif" in notice
        assert advice in notice


def test_usual_photos_are_not_called_narrow(tmp_path: Path) -> None:
    fog = np.random.default_rng(0).integers(190, 210, (16, 16)).astype(np.uint8)
    source = write(tmp_path / "photos", fog=fog, black=np.zeros((8, 8), np.uint8), photo=ramp(0, 255, "uint8"))
    assert run([source], tmp_path / "out").notices == []


class OfModel(SingleImageAdapter):
    """The identity as a model that was trained on 12 bits in 16, and on floats of 0 to 1."""

    value_ranges: ValueRanges = {"uint16": (0, 4095), "float": (0, 1)}

    def __init__(self) -> None:
        super().__init__(lambda image: image)


@pytest.mark.parametrize("as_folder", [True, False])
@pytest.mark.parametrize(
    ("image", "found"),
    [
        (ramp(0, 65535, "uint16"), "0 to 65535, and 0 to 4095 are read as black to white (uint16) as in the training"),
        (ramp(0, 5000, "uint16"), "--value-range 0 8191"),
        (ramp(0, 255), "0 to 255, and 0 to 1 are read as black to white (float) as in the training"),
        (ramp(-2, 1), "so values beyond are clipped"),
        (ramp(0, 60, "uint16"), "nearly black"),
    ],
)
def test_images_that_do_not_fit_the_range_of_the_model_are_named(
    tmp_path: Path, image: np.ndarray, found: str, as_folder: bool
) -> None:
    source = write(tmp_path / "scans", a=image)
    plan = make_plan([source if as_folder else source / "a.tif"], tmp_path / "out", "png")
    options: dict[str, Any] = {"writer": Writer(), "reader": InProcessReader()}
    ((path, notice),) = convert_jobs(OfModel(), plan, tmp_path / "out", **options).notices
    assert path.name == "a.tif"
    assert found in notice
    stated = {"value_ranges": {"uint16": (0, 4095), "float": (0, 1)}}
    assert convert_jobs(OfModel(), plan, tmp_path / "out", existing="overwrite", **stated, **options).notices == []


@pytest.mark.parametrize(
    "image", [ramp(0, 4095, "uint16"), ramp(10, 1500, "uint16"), ramp(-0.1, 1.2), ramp(0, 255, "uint8")]
)
def test_images_that_fit_the_range_of_the_model_are_not_named(tmp_path: Path, image: np.ndarray) -> None:
    plan = make_plan([write(tmp_path / "scans", a=image)], tmp_path / "out", "png")
    assert convert_jobs(OfModel(), plan, tmp_path / "out", writer=Writer(), reader=InProcessReader()).notices == []
