"""Translate uploaded images of any channels and label maps: read them, show them, and write results in their format."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from i2i.convert.channels import default_suffix
from i2i.demo.model_registry import RegisteredModel
from i2i.demo.output import OutputOptions, formats_for
from i2i.demo.translation_result import TranslationResult
from i2i.demo.uploads import UploadStore
from i2i.errors import UsageError
from i2i.images import LoadedImage
from i2i.images.channel_writing import ChannelWriter
from i2i.images.channels import CLASS_IDS, ChannelImage
from i2i.images.display import shown_channels, to_picture
from i2i.images.label_maps import LabelMap, to_label_map
from i2i.images.pixel_format import PixelFormat
from i2i.images.value_range import SampleSummary, exceeds, format_range, is_narrow


@dataclass(frozen=True)
class ChannelUpload:
    """An uploaded image as a model of channels takes it.

    Attributes:
        image: the image, with black and white.
        format: of the images that the model takes.
        unusual: what the samples hold, if they use little of the model's range or exceed it; else None.
    """

    image: ChannelImage
    format: PixelFormat
    unusual: SampleSummary | None = None

    @property
    def picture(self) -> Image.Image:
        """The image as RGB: see ``shown_channels``."""
        return picture_of(self.image, self.format)

    @property
    def picture_format(self) -> PixelFormat:
        """The format with the value range of this image."""
        return replace(self.format, value_range=self.image.value_range or self.format.value_range)

    def describe(self) -> str:
        """Return what the file holds and how it is shown, such as "64 × 64 pixels, 2 channels of uint16, 3 to 4011"."""
        width, height = self.image.size
        size = f"{width} × {height} pixels"
        if isinstance(self.image, LabelMap):
            return f"{size}, {self.format}, shown in the colours of the classes"
        summary = self.image.summary()
        plural = "channel" if self.image.channels == 1 else "channels"
        low, high = format_range((summary.low, summary.high)).split()
        kind = f"{self.image.channels} {plural} of {self.image.values.dtype}"
        return f"{size}, {kind}, values {low} to {high}, shown {describe_colours(self.format)}"


@dataclass(frozen=True, kw_only=True)
class ChannelResult(TranslationResult):
    """The result of a model of any channels.

    Attributes:
        samples: the result; ``photo`` and ``output`` are pictures of it and of the input.
        format: of the result.
        shown: a sentence on the colours of the two pictures.
        own: the file format that keeps all samples, such as "tif".
    """

    samples: ChannelImage
    format: PixelFormat
    shown: str
    own: str

    @property
    def own_format(self) -> str:
        return self.own

    @property
    def formats(self) -> list[str]:
        return formats_for(self.format)

    def encode(self, options: OutputOptions | None = None) -> bytes:
        """Return the bytes of a file with all samples. Raises ImageError if the format does not store them."""
        options = (options or OutputOptions.parse(None, None)).resolved(self.own)
        writer = ChannelWriter(
            suffix=options.suffix, quality=options.quality, lossless=options.lossless, provenance=self.provenance,
            alpha=self.format.alpha,
        )  # fmt: skip
        return writer(self.samples)

    def remarks(self) -> str:
        return f". {self.shown}"

    def to_json(self) -> dict[str, Any]:
        """Return the fields of the API's answer."""
        return super().to_json() | {"result": str(self.format), "file_format": self.own}


def read_upload(store: UploadStore, path: str | Path | None, model: RegisteredModel, direction: str) -> ChannelUpload:
    """Read an uploaded file as a model takes it, in a separate process.

    Raises:
        UsageError: see ``UploadStore.resolve``.
        ImageError: the file cannot be read, has another number of channels, ids of no class, or another palette.
    """
    from i2i.inference.channel_translator import range_of

    format = model.info.input_format(direction)
    if format.labels is not None:
        name = Path(str(path)).name
        format.labels.check_palette(store.read_channel_header(path).palette, name)
        return ChannelUpload(to_label_map(store.read_channels(path, CLASS_IDS), format.labels, name), format)
    image = store.read_channels(path, format.channels)
    value_range = range_of(image, model.info.input_ranges(direction), format)
    summary = image.summary()
    fits = not exceeds(summary, value_range) and (summary.type == format.type or not is_narrow(summary, value_range))
    return ChannelUpload(replace(image, value_range=value_range), format, None if fits else summary)


def translate_upload(
    store: UploadStore,
    path: str | Path | None,
    model: RegisteredModel,
    direction: str,
    run: Callable[[ChannelImage], tuple[Any, ChannelImage, float, float]],
) -> ChannelResult:
    """Translate an uploaded file with a model of any channels.

    Args:
        store: reads the file.
        path: the uploaded file.
        model: the model.
        direction: one of the model's.
        run: returns the translator, the result of an image, and the seconds of translation and of loading the model.
    """
    upload = read_upload(store, path, model, direction)
    translator, samples, seconds, loading_seconds = run(upload.image)
    format = result_format(samples, translator.output_format)
    before, after = describe_colours(upload.format), describe_colours(format)
    return ChannelResult(
        photo=upload.picture,
        source=LoadedImage(Image.new("RGB", (1, 1)), unusual=upload.unusual),
        output=picture_of(samples, format),
        stem=Path(str(path)).stem,
        model=model.name,
        direction=direction,
        provenance=translator.provenance,
        seconds=seconds,
        loading_seconds=loading_seconds,
        device=translator.device.type,
        samples=samples,
        format=format,
        shown=f"The result has {format}. The input is shown {before}, the result {after}",
        own=default_suffix([store.resolve(path)], format),
    )


def result_format(samples: ChannelImage, format: PixelFormat) -> PixelFormat:
    """Return the format of a result: that of the model, with the type and the range that this result has."""
    value_range = samples.value_range or format.value_range
    return replace(format, dtype=str(samples.values.dtype), value_range=value_range)


def picture_of(image: ChannelImage, format: PixelFormat) -> Image.Image:
    """Return an image as RGB of 8 bits, black and white at the ends of its value range."""
    return to_picture(image.values, replace(format, value_range=image.value_range or format.value_range))


def describe_colours(format: PixelFormat) -> str:
    """Return how images of a format are shown, such as "as grey" or "with channel 1 red, 2 cyan"."""
    if format.labels is not None:
        return "in the colours of the classes"
    _, note = shown_channels(format)
    if format.channels == 1:
        return "as grey"
    if not note:
        return "in true colour"
    return f"in {note}" if note.startswith("false") else f"with {note}" if not note.startswith("without") else note


def check_takes_pictures(model: RegisteredModel, options: dict[str, Any]) -> None:
    """Raise UsageError if options are given that only models of pictures take.

    Args:
        model: a model of channels.
        options: given values by name; None and what is empty are not given.
    """
    given = next((name for name, value in options.items() if value), None)
    if given is not None:
        raise UsageError(f"{given}: only for photos, RGB of 8 bits; {model.name} takes {model.takes}. Omit it.")
