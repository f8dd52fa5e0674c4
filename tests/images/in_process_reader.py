"""An image reader without decoder processes, for tests."""

from pathlib import Path

from i2i.images import MAX_PIXELS, LoadedImage, load_image, probe
from i2i.images.quality import PhotoQuality
from i2i.images.quality.assessment import assess_photo
from i2i.images.reading import ProfilePolicy, measure_unfixed
from i2i.images.value_range import SampleSummary, ValueRanges


class InProcessReader:
    """Reads in this process, with the interface of ``DecoderPool``."""

    def __init__(self, max_pixels: int = MAX_PIXELS, deep: bool = False) -> None:
        self.max_pixels = max_pixels
        self.deep = deep
        self.profiles: ProfilePolicy = "convert"

    def probe(self, path: Path) -> tuple[tuple[int, int], int]:
        return probe(path)

    def measure(self, path: Path) -> SampleSummary | None:
        return measure_unfixed(path, self.max_pixels)

    def assess(
        self, path: Path, frame: int = 0, *, ranges: ValueRanges | None = None, max_side: int | None = None
    ) -> PhotoQuality:
        quality = assess_photo(path, load_image(path, frame, self.max_pixels, ranges=ranges), max_side)
        return PhotoQuality.from_json(quality.to_json())

    def read(self, path: Path, frame: int = 0, *, blend: bool = True, ranges: ValueRanges | None = None) -> LoadedImage:
        return load_image(
            path, frame, self.max_pixels, blend=blend, ranges=ranges, deep=self.deep, profiles=self.profiles
        )

    def close(self) -> None: ...
