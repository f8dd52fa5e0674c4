"""What one visitor of the page has made: the results of a session, to open, download or translate again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from i2i.demo.channels import ChannelResult
from i2i.demo.output import FORMATS, OutputOptions
from i2i.demo.rendering import render
from i2i.demo.translation_result import TranslationResult
from i2i.demo.uploads import UploadStore
from i2i.errors import UsageError
from i2i.images import Provenance, Writer, encode
from i2i.images.channel_writing import ChannelWriter
from i2i.images.pixel_format import PixelFormat

MAX_RESULTS = 24  # of a session
_THUMBNAIL_SIDE = 240  # pixels


@dataclass(frozen=True)
class SessionResult:
    """A result of a session.

    Attributes:
        photo: the uploaded photo.
        file: the result in full size in its own format, from which the other formats are made.
        before: the photo, reduced for the page.
        after: the result, reduced for the page.
        thumbnail: the result as a small image.
        size: (width, height) of the result in pixels.
        name: file name for downloads.
        model: name of the model.
        summary: a sentence about the translation.
        provenance: the model, for the metadata of files.
        formats: the file formats that store the result.
        channels: pixel format of the result of a model of channels; None for photos.
        pictures: photo and result as pictures of their full size, if ``channels`` is not None.
    """

    photo: Path
    file: Path
    before: Path
    after: Path
    thumbnail: Path
    size: tuple[int, int]
    name: str
    model: str
    summary: str
    provenance: Provenance | None
    formats: Sequence[str] = FORMATS
    channels: PixelFormat | None = None
    pictures: tuple[Path, Path] | None = None

    @classmethod
    def save(cls, photo: Path, result: TranslationResult, store: UploadStore) -> "SessionResult":
        """Save the files of a result."""
        before = result.photo
        if before.size != result.output.size:
            before = before.resize(result.output.size, Image.Resampling.BICUBIC)
        channels = result.format if isinstance(result, ChannelResult) else None
        pictures = None
        if channels is not None:
            full = [encode(image, ".png", fast=True) for image in (before, result.output)]
            pictures = store.save(full[0], "before.png"), store.save(full[1], "after.png")
        return cls(
            photo=photo,
            file=store.save(result.encode(), result.file_name(f".{result.own_format}")),
            before=store.preview(before),
            after=store.preview(result.output),
            thumbnail=store.preview(result.output, _THUMBNAIL_SIDE),
            size=result.output.size,
            name=result.file_name(""),
            model=result.model,
            summary=result.summary(),
            provenance=result.provenance,
            formats=result.formats,
            channels=channels,
            pictures=pictures,
        )

    @property
    def own_format(self) -> str:
        """The file format of ``file``."""
        return self.file.suffix[1:]

    def options_for(self, options: OutputOptions) -> OutputOptions:
        """Return options whose format stores this result: the given ones if it does, else with its own format."""
        options = options.resolved(self.own_format)
        return options if options.format in self.formats else replace(options, format=self.own_format, lossless=False)

    def export(self, options: OutputOptions, store: UploadStore) -> Path:
        """Return the result as a file of a format, made of the lossless one and the metadata of the photo.

        Raises:
            UsageError: the files have expired.
            ImageError: the format cannot store an image of this size.
        """
        self.check_available()
        options = options.resolved(self.own_format)
        if options.format == self.own_format:
            return self.file
        if self.channels is not None:
            return store.save(self._encode_channels(options, store), f"{self.name}{options.suffix}")
        result = store.read(self.file, blend=False)
        image = result.image
        if result.alpha is not None:
            image = image.copy()
            image.putalpha(result.alpha)
        source = replace(store.read(self.photo), alpha=None)
        writer = Writer(
            suffix=options.suffix, quality=options.quality, lossless=options.lossless, provenance=self.provenance
        )
        return store.save(writer(image, source), f"{self.name}{options.suffix}")

    def _encode_channels(self, options: OutputOptions, store: UploadStore) -> bytes:
        """Return the samples of the result in another format."""
        assert self.channels is not None
        samples = store.read_channels(self.file, self.channels.channels)
        writer = ChannelWriter(
            suffix=options.suffix, quality=options.quality, lossless=options.lossless, provenance=self.provenance,
            alpha=self.channels.alpha,
        )  # fmt: skip
        return writer(replace(samples, value_range=self.channels.value_range, bands=self.channels.bands))

    def full_size_viewer(self, store: UploadStore) -> str:
        """Return before and after at 100 % as HTML. Raises UsageError if the files have expired."""
        self.check_available()
        width, height = self.size
        if self.pictures is not None:
            before_path, after_path = self.pictures
            return _viewer(before_path, after_path, width, height)
        before = store.read(self.photo).image
        if before.size != self.size:
            before = before.resize(self.size, Image.Resampling.BICUBIC)
        path = store.save(encode(before, ".png", fast=True), "before.png")
        return _viewer(path, self.file, width, height)

    def check_available(self) -> None:
        """Raise UsageError if the files have expired."""
        if not (self.photo.is_file() and self.file.is_file() and self.after.is_file()):
            raise UsageError("This result has expired: the server keeps files for a limited time. Translate again.")


def with_result(history: list[SessionResult], result: SessionResult) -> list[SessionResult]:
    """Return a history with a new result, the newest first, without expired ones."""
    return [result, *(old for old in history if old.thumbnail.is_file())][:MAX_RESULTS]


def _viewer(before: Path, after: Path, width: int, height: int) -> str:
    return render("pixel_viewer", before=_url(before), after=_url(after), width=width, height=height)


def _url(path: Path) -> str:
    """Return the address of a file of the store, relative to the page."""
    return f"gradio_api/file={quote(path.as_posix())}"
