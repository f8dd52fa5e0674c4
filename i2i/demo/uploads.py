"""Files of the demo: reads uploads in separate processes and keeps results for a limited time."""

import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from PIL import Image

from i2i.demo.limits import Limits
from i2i.demo.upload_folder import UploadFolder, sweep_stale_folders
from i2i.errors import I2IError, ImageError, UsageError
from i2i.images import DecoderPool, LoadedImage, encode
from i2i.images.channels import ChannelHeader, ChannelImage
from i2i.images.quality import PhotoQuality
from i2i.images.value_range import ValueRanges

DECODER_PROCESSES = 2
PREVIEW_SIDE = 1600  # pixels of the longer side of images on the page; downloads have the full size


class UploadStore:
    """Uploads and results of one server, in a temporary folder that ``close`` deletes.

    The folders of servers that ended without deleting theirs are deleted first.

    Attributes:
        root: the temporary folder.
        files: the folder of uploads and results. Gradio serves the files in it; their paths contain an unguessable
            token.
        assets: the folder of images that belong to the page itself.
        decoders: the processes that decode images.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        sweep_stale_folders()
        self._folder = UploadFolder()
        self.root = self._folder.path
        self.files = self.root / "files"
        self.assets = self.root / "assets"
        self.files.mkdir()
        self.assets.mkdir()
        self._purge_guard = threading.Lock()
        self.decoders = DecoderPool(DECODER_PROCESSES, max_pixels=self.limits.max_pixels)

    def resolve(self, path: str | Path | None) -> Path:
        """Return the path of an uploaded file.

        Raises:
            UsageError: ``path`` is empty or is not an existing file under ``files`` or ``assets``.
        """
        if not path:
            raise UsageError("There is no photo yet. Drop one into the box, paste one, or take one with the camera.")
        resolved = Path(path).resolve()
        allowed = self.files in resolved.parents or self.assets in resolved.parents
        if not allowed or not resolved.is_file():
            raise UsageError("Only an uploaded file is opened, and uploads expire. Upload the photo again.")
        return resolved

    def read(self, path: str | Path | None, *, blend: bool = True, ranges: ValueRanges | None = None) -> LoadedImage:
        """Decode the photo in an uploaded file, in a separate process.

        Args:
            path: the uploaded file.
            blend: see ``load_image``.
            ranges: see ``load_image``.

        Raises:
            UsageError: see ``resolve``.
            ImageError: the photo cannot be decoded; the message gives the reason.
        """
        resolved = self.resolve(path)
        with _named(resolved):
            return self.decoders.read(resolved, blend=blend, ranges=ranges)

    def read_channels(self, path: str | Path | None, channels: int | None) -> ChannelImage:
        """Decode the samples of an uploaded file, in a separate process. See ``i2i.images.channels.read_channels``."""
        resolved = self.resolve(path)
        with _named(resolved):
            return self.decoders.read_channels(resolved, channels)

    def read_channel_header(self, path: str | Path | None) -> ChannelHeader:
        """Return what the header of an uploaded file states. Raises as ``read`` does."""
        resolved = self.resolve(path)
        with _named(resolved):
            return self.decoders.read_channel_header(resolved)

    def assess(self, path: str | Path | None) -> PhotoQuality:
        """Measure the quality of the photo in an uploaded file, in a separate process. Raises as ``read`` does."""
        resolved = self.resolve(path)
        with _named(resolved):
            return self.decoders.assess(resolved)

    def count_frames(self, path: str | Path | None) -> int:
        """Return the number of frames or pages in an uploaded file. Raises as ``read`` does."""
        return self.decoders.probe(self.resolve(path))[1]

    def new_path(self, name: str) -> Path:
        """Return a path for a file called ``name`` in a new folder with an unguessable name."""
        folder = self.files / secrets.token_urlsafe(24)
        folder.mkdir()
        return folder / name

    def save(self, data: bytes, name: str) -> Path:
        """Save a file under a name in a new folder and return its path."""
        path = self.new_path(name)
        path.write_bytes(data)
        return path

    def temp_dir(self) -> Path:
        """Return a new folder that is not served. The caller deletes it."""
        return Path(tempfile.mkdtemp(dir=self.root))

    def preview(self, image: Image.Image, side: int = PREVIEW_SIDE) -> Path:
        """Save an image as PNG for the page, reduced to at most ``side`` pixels on the longer side."""
        small = image.convert("RGB")
        if max(small.size) > side:
            small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
        return self.save(encode(small, ".png", fast=True), "preview.png")

    def purge(self, needed: int = 0) -> None:
        """Delete expired files, then the oldest ones until ``needed`` bytes more can be stored within the limits."""
        expiry = time.time() - self.limits.retention_seconds
        with self._purge_guard:
            files = sorted(self._stored_files())
            stored = sum(size for _, size, _ in files)
            excess = stored + needed - self.limits.max_stored_bytes
            excess = max(excess, needed - self.free_bytes())
            for modified, size, path in files:  # the oldest first
                if modified >= expiry and excess <= 0:
                    break
                path.unlink(missing_ok=True)
                excess -= size
                if path.parent != self.files:
                    with suppress(OSError):  # it holds other files, or another thread has deleted it
                        path.parent.rmdir()

    def make_room(self, size: int) -> None:
        """Make sure that ``size`` bytes more can be stored, and delete the oldest files if necessary.

        Raises:
            I2IError: there is no room for them.
        """
        if size <= self.free_bytes() and size <= self.limits.max_stored_bytes - self._stored_bytes():
            return
        self.purge(size)
        if size > min(self.free_bytes(), self.limits.max_stored_bytes):
            raise I2IError(
                f"There is no room for {size / 1e6:.0f} MB on this server just now. Send less, or try again later."
            )

    def free_bytes(self) -> int:
        """Return the bytes that may still be written without leaving the disk too full."""
        return shutil.disk_usage(self.root).free - self.limits.min_free_bytes

    def _stored_bytes(self) -> int:
        return sum(size for _, size, _ in self._stored_files())

    def _stored_files(self) -> Iterator[tuple[float, int, Path]]:
        """Yield the modification time, size and path of each file. Others may delete files and folders meanwhile."""
        for folder, _, names in os.walk(self.files):
            for name in names:
                path = Path(folder, name)
                with suppress(OSError):
                    stat = path.lstat()
                    yield stat.st_mtime, stat.st_size, path

    def close(self) -> None:
        """Stop the decoder processes and delete all files."""
        self.decoders.close()
        self._folder.delete()


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name a file by its own name in messages, without the server's folders."""
    try:
        yield
    except ImageError as error:
        raise ImageError(str(error).replace(str(path), path.name)) from error
