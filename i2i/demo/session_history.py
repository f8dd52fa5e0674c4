"""What one visitor of the page has made: the results of a session, to open, download or translate again."""

from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from i2i.demo.output import OutputOptions
from i2i.demo.rendering import render
from i2i.demo.translation import TranslationResult
from i2i.demo.uploads import UploadStore
from i2i.errors import UsageError
from i2i.images import Provenance, Writer, encode

MAX_RESULTS = 24  # of a session
_THUMBNAIL_SIDE = 240  # pixels


@dataclass(frozen=True)
class SessionResult:
    """A result of a session.

    Attributes:
        photo: the uploaded photo.
        file: the result in full size as PNG, from which the other formats are made.
        before: the photo, reduced for the page.
        after: the result, reduced for the page.
        thumbnail: the result as a small image.
        size: (width, height) of the result in pixels.
        name: file name for downloads.
        model: name of the model.
        summary: a sentence about the translation.
        provenance: the model, for the metadata of files.
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

    @classmethod
    def save(cls, photo: Path, result: TranslationResult, store: UploadStore) -> "SessionResult":
        """Save the files of a result."""
        before = result.photo
        if before.size != result.output.size:
            before = before.resize(result.output.size, Image.Resampling.BICUBIC)
        return cls(
            photo,
            store.save(result.encode(), result.file_name()),
            store.preview(before),
            store.preview(result.output),
            store.preview(result.output, _THUMBNAIL_SIDE),
            result.output.size,
            result.file_name(""),
            result.model,
            result.summary(),
            result.provenance,
        )

    def export(self, options: OutputOptions, store: UploadStore) -> Path:
        """Return the result as a file of a format, made of the lossless one and the metadata of the photo.

        Raises:
            UsageError: the files have expired.
            ImageError: the format cannot store an image of this size.
        """
        self.check_available()
        if options.format == "png":
            return self.file
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

    def full_size_viewer(self, store: UploadStore) -> str:
        """Return before and after at 100 % as HTML. Raises UsageError if the files have expired."""
        self.check_available()
        before = store.read(self.photo).image
        if before.size != self.size:
            before = before.resize(self.size, Image.Resampling.BICUBIC)
        path = store.save(encode(before, ".png", fast=True), "before.png")
        width, height = self.size
        return render("pixel_viewer", before=_url(path), after=_url(self.file), width=width, height=height)

    def check_available(self) -> None:
        """Raise UsageError if the files have expired."""
        if not (self.photo.is_file() and self.file.is_file() and self.after.is_file()):
            raise UsageError("This result has expired: the server keeps files for a limited time. Translate again.")


def with_result(history: list[SessionResult], result: SessionResult) -> list[SessionResult]:
    """Return a history with a new result, the newest first, without expired ones."""
    return [result, *(old for old in history if old.thumbnail.is_file())][:MAX_RESULTS]


def _url(path: Path) -> str:
    """Return the address of a file of the store, relative to the page."""
    return f"gradio_api/file={quote(path.as_posix())}"
