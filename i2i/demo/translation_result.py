"""``TranslationResult``: a translated photo, its file and what is said of it."""

from dataclasses import dataclass
from typing import Any

from PIL import Image

from i2i.demo.eta import format_duration
from i2i.demo.output import FORMATS, OutputOptions, formats_for
from i2i.errors import UsageError
from i2i.images import LoadedImage, Provenance, Writer
from i2i.inference.auto.choice import Choice

MIN_REPORTED_LOADING = 0.1  # seconds; a model that was in memory already takes less


@dataclass(frozen=True)
class TranslationResult:
    """A translated photo and how long it took.

    Attributes:
        photo: the input, blended on white where it is transparent.
        source: the file of the input, for its metadata.
        output: the translation, RGB or RGBA.
        stem: the photo's file name without its suffix.
        model: name of the model or chain; "none" if ``auto`` leaves the photo as it is.
        direction: "AtoB" or "BtoA"; "unchanged" if ``auto`` leaves the photo as it is.
        provenance: the model, for the metadata of files.
        seconds: time in the network.
        loading_seconds: time to load the model.
        device: the device type, such as "cpu".
        frame_count: images in the file; the first of them is translated.
        choice: why ``auto`` chose the model; None if it was named.
    """

    photo: Image.Image
    source: LoadedImage
    output: Image.Image
    stem: str
    model: str
    direction: str
    provenance: Provenance | None
    seconds: float
    loading_seconds: float
    device: str
    frame_count: int = 1
    choice: Choice | None = None

    def encode(self, options: OutputOptions | None = None) -> bytes:
        """Return the bytes of an image file with the metadata of the photo.

        Raises:
            UsageError: the format stores no photos.
            ImageError: the result is too large for the format.
        """
        options = (options or OutputOptions()).resolved("png")
        if options.format not in FORMATS:
            raise UsageError(f"A photo is not stored as {options.format}. Choose {', '.join(FORMATS)}.")
        writer = Writer(
            suffix=options.suffix, quality=options.quality, lossless=options.lossless, provenance=self.provenance
        )
        return writer(self.output, self.source)

    def file_name(self, suffix: str = ".png") -> str:
        """Return a file name that names photo, model and direction."""
        return f"{self.stem}-{self.model.replace('/', '-')}-{self.direction}{suffix}"

    @property
    def own_format(self) -> str:
        """The file format that keeps the result as it is."""
        return "png"

    @property
    def formats(self) -> list[str]:
        """The file formats that store the result."""
        return formats_for(None)

    def remarks(self) -> str:
        """Return what the summary says beside size and time."""
        return ""

    def summary(self) -> str:
        """Return a sentence for the page."""
        size = f"{self.output.width} × {self.output.height} pixels"
        text = f"{self.model} made {size} in {format_duration(self.seconds)} on {self.device}"
        if self.loading_seconds >= MIN_REPORTED_LOADING:
            text += f", and {format_duration(self.loading_seconds)} to load the model"
        if self.frame_count > 1:
            text += f". It is the first of {self.frame_count} frames or pages of the file"
        if (samples := self.source.unusual) is not None:
            text += (
                f". The values of the photo, {samples.low:g} to {samples.high:g}, fit badly into the range of the model"
                f" or of their type ({samples.type}), so the photo may look black or white"
            )
        if self.choice is not None:
            text += f". Chosen for this photo: {self.choice.reason}"
        return f"{text}{self.remarks()}."

    def to_json(self) -> dict[str, Any]:
        """Return the fields of the API's answer."""
        return {
            "model": self.model,
            "direction": self.direction,
            "width": self.output.width,
            "height": self.output.height,
            "seconds": round(self.seconds, 3),
            "loading_seconds": round(self.loading_seconds, 3),
            "device": self.device,
            "frame_count": self.frame_count,
        } | ({} if self.choice is None else {"choice": self.choice.to_json()})
