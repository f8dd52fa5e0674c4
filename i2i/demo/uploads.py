"""Where pictures come in and go out: uploads are read by i2i's own reader, results are kept for a while."""

import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from i2i.demo.limits import Limits
from i2i.errors import PictureError, UsageError
from i2i.images import Decoders, Photo, Provenance, Writer, encode

READERS = 2  # processes that decode
SHOWN = 1600  # pixels of the longer side of what a page shows; what is downloaded has all of them


class Desk:
    """Uploads and results of one server, in a folder of its own that goes when it closes.

    folder: where gradio puts uploads, and all that is in it can be fetched by who knows its name, which cannot be
    guessed. assets: pictures that belong to the page itself.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.home = Path(tempfile.mkdtemp(prefix="i2i-demo-")).resolve()
        self.folder, self.assets = self.home / "files", self.home / "assets"
        self.folder.mkdir()
        self.assets.mkdir()
        self.readers = Decoders(READERS, max_pixels=self.limits.pixels)

    def uploaded(self, path: str | Path | None) -> Path:
        """The file that was uploaded as ``path``. Raises UsageError for anything that was not, whoever asks."""
        if not path:
            raise UsageError("There is no photo yet: drop one into the box, paste one, or take one with the camera.")
        found = Path(path).resolve()
        if not any(place in found.parents for place in (self.folder, self.assets)) or not found.is_file():
            raise UsageError("Only an uploaded file is opened, and only for a while: upload the photo again.")
        return found

    def photo(self, path: str | Path | None) -> Photo:
        """The photo in an uploaded file, decoded in a process of its own.

        Raises UsageError as ``uploaded`` does, and PictureError with the reason where it cannot be read.
        """
        found = self.uploaded(path)
        try:
            return self.readers.read(found)
        except PictureError as error:
            raise PictureError(str(error).replace(str(found), found.name)) from error

    def place(self, name: str) -> Path:
        """A path for a result named ``name``, in a new folder whose name cannot be guessed."""
        folder = self.folder / secrets.token_urlsafe(24)
        folder.mkdir()
        return folder / name

    def save(self, picture: Image.Image, name: str, photo: Photo | None = None, made: Provenance | None = None) -> Path:
        """``picture`` as a PNG named ``name`` that says in its metadata which model made it; of what ``photo`` says of
        itself it repeats what `i2i convert` does."""
        path = self.place(f"{Path(name).stem or 'picture'}.png")
        path.write_bytes(Writer(suffix=".png", provenance=made)(picture, photo))
        return path

    def work(self) -> Path:
        """A new folder that nobody outside can look into; whoever asked for it deletes it."""
        return Path(tempfile.mkdtemp(dir=self.home))

    def shown(self, picture: Image.Image, side: int = SHOWN) -> Path:
        """``picture`` as a file for the page to show: PNG, its longer side at most ``side`` pixels."""
        small = picture.convert("RGB")
        if max(small.size) > side:
            small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
        path = self.place("shown.png")
        path.write_bytes(encode(small, ".png", fast=True))
        return path

    def sweep(self) -> None:
        """Delete what is older than ``limits.keep`` seconds, and the oldest of what is too much."""
        left, held = time.time() - self.limits.keep, 0
        for changed, size, path in sorted(self._kept(), reverse=True):
            held += size
            if changed < left or held > self.limits.store:
                path.unlink(missing_ok=True)
                if path.parent != self.folder and not any(path.parent.iterdir()):
                    path.parent.rmdir()

    def _kept(self) -> Iterator[tuple[float, int, Path]]:
        for path in self.folder.rglob("*"):
            try:
                found = path.lstat()
            except OSError:
                continue
            if not path.is_dir():
                yield found.st_mtime, found.st_size, path

    def close(self) -> None:
        """End the reading processes and delete everything."""
        self.readers.close()
        shutil.rmtree(self.home, ignore_errors=True)
