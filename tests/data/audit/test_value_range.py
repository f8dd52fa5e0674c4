from pathlib import Path

import numpy as np
import pytest
import tifffile

from i2i.data.audit import audit
from i2i.errors import UsageError


def write_domains(root: Path, **images: np.ndarray) -> Path:
    for domain, image in images.items():
        folder = root / f"train{domain}"
        folder.mkdir()
        for number in range(2):
            tifffile.imwrite(folder / f"{number}.tif", np.roll(image, number))
    return root


def ramp(low: float, high: float, dtype: str) -> np.ndarray:
    return np.linspace(low, high, 256).reshape(16, 16).astype(dtype)


def range_findings(root: Path, value_range: tuple[float, float] | None = None) -> list[str]:
    return [finding.text for finding in audit(root, value_range=value_range).findings if "value-range" in finding.text]


@pytest.mark.parametrize(
    ("image", "flag"),
    [
        (ramp(0, 4000, "uint16"), "--value-range 0 4095"),
        (ramp(0, 20, "uint8"), "--value-range-b 0 20"),
        (ramp(-1000, 3000, "int16"), "--value-range -1000 3000"),
        (ramp(0, 900, "float32"), "--value-range 0 900"),
    ],
)
def test_a_narrow_range_is_named_with_the_flag_that_states_it(tmp_path: Path, image: np.ndarray, flag: str) -> None:
    root = write_domains(tmp_path, A=ramp(0, 255, "uint8"), B=image)
    (text,) = range_findings(root)
    assert "trainB/0.tif, trainB/1.tif" in text
    assert f"`{flag}`" in text


def test_usual_ranges_and_stated_ranges_give_no_finding(tmp_path: Path) -> None:
    root = write_domains(tmp_path, A=ramp(0, 255, "uint8"), B=ramp(0, 4000, "uint16"))
    assert len(range_findings(root)) == 1
    assert range_findings(root, (0, 4095)) == []


def test_a_stated_range_that_fits_no_image_is_an_error(tmp_path: Path) -> None:
    root = write_domains(tmp_path, A=ramp(0, 255, "uint8"), B=ramp(0, 255, "uint8"))
    (text,) = range_findings(root, (0, 4095))
    assert "--value-range 0 4095 fits no image: they hold uint8" in text


@pytest.mark.parametrize("value_range", [(1, 1), (2, 1), (0, float("inf")), (float("nan"), 1)])
def test_an_unusable_range_is_refused(tmp_path: Path, value_range: tuple[float, float]) -> None:
    with pytest.raises(UsageError, match="two finite numbers"):
        audit(tmp_path, value_range=value_range)
