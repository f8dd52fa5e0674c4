from typing import get_args

import pytest

from i2i.convert.api import OutputFormat
from i2i.demo.output import FORMATS, OutputOptions
from i2i.errors import UsageError


@pytest.mark.parametrize(
    ("name", "suffix"), [(None, ".png"), ("JPEG", ".jpg"), (" .tiff", ".tif"), ("WebP", ".webp"), ("", ".png")]
)
def test_a_format_has_its_usual_names(name: str | None, suffix: str) -> None:
    assert OutputOptions.parse(name, None).suffix == suffix


@pytest.mark.parametrize(("name", "quality"), [("bmp", None), ("png", 0), ("jpg", 101), ("jpg", 90.5)])
def test_another_format_or_quality_is_refused(name: str, quality: float | None) -> None:
    with pytest.raises(UsageError, match=r"There is no format|The quality is"):
        OutputOptions.parse(name, quality)


def test_the_formats_are_some_of_those_that_convert_writes() -> None:
    assert set(FORMATS) <= set(get_args(OutputFormat))
    assert all(OutputOptions(format).media_type.startswith("image/") for format in FORMATS)
