"""Stacks: several files that are the channels of one image, such as the bands of a satellite.

A stack has a path of its own, whose name lists what differs: ``scene1_{B02,B03,B04}.tif`` is the image of the files
``scene1_B02.tif``, ``scene1_B03.tif`` and ``scene1_B04.tif``, in this order. A pattern names the stacks of a folder:
``{stem}_{B02,B03,B04}.tif``.
"""

import hashlib
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from i2i.errors import ImageError, UsageError
from i2i.images.files import open_regular
from i2i.images.sample_images import SampleImage, Samples
from i2i.images.sample_types import MAX_CHANNELS, sample_type_of
from i2i.images.shards import status_of
from i2i.images.value_range import ValueRange

STEM = "{stem}"
_MEMBERS = re.compile(r"\{([^{}/\\]*,[^{}/\\]*)\}")


@dataclass(frozen=True)
class StackPattern:
    """Which files of a folder form one image.

    Args:
        text: such as "{stem}_{B02,B03,B04}.tif".

    Raises:
        UsageError: the text has no {stem}, or no list of members in braces.

    >>> StackPattern("{stem}_{B02,B03}.tif").names("scene1")
    ['scene1_B02.tif', 'scene1_B03.tif']
    """

    text: str

    def __post_init__(self) -> None:
        lists = _MEMBERS.findall(self.text)
        members = lists[0].split(",") if lists else []
        is_usable = self.text.count(STEM) == 1 and len(lists) == 1 and "/" not in self.text and "\\" not in self.text
        if not is_usable or not all(members):
            raise UsageError(
                f"--stack is {self.text!r}; it must be the name of a file with {STEM} once and one list of two or more "
                "members in braces, such as '{stem}_{B02,B03,B04}.tif'. The files of a stack are in one folder."
            )
        if len(set(members)) < len(members) or len(members) > MAX_CHANNELS:
            raise UsageError(f"--stack lists {', '.join(members)}; it takes 2 to {MAX_CHANNELS} different members.")

    @property
    def members(self) -> list[str]:
        """What the names of the files of a stack differ by, in the order of the channels."""
        return _MEMBERS.findall(self.text)[0].split(",")

    def names(self, stem: str) -> list[str]:
        """Return the names of the files of a stack."""
        before, after = _MEMBERS.sub("\0", self.text).split("\0")
        return [f"{before}{member}{after}".replace(STEM, stem) for member in self.members]

    def path_name(self, stem: str) -> str:
        """Return the name of the path of a stack."""
        return self.text.replace(STEM, stem)

    def stem(self, name: str) -> str | None:
        """Return the stem of the stack to which a file belongs; None if it belongs to none."""
        alternatives = "|".join(map(re.escape, self.members))
        before, after = _MEMBERS.sub("\0", self.text).split("\0")
        parts = [re.escape(part).replace(re.escape(STEM), "(?P<stem>.+)") for part in (before, after)]
        match = re.fullmatch(f"{parts[0]}(?:{alternatives}){parts[1]}", name, re.DOTALL)
        return match["stem"] if match else None

    def join(self, paths: Sequence[Path]) -> list[Path]:
        """Return the stacks among the files of a folder at any depth; the files as they are if none belongs to a stack.

        Other files beside stacks, such as further bands, are left out. A stack is returned also if some of its files
        are missing: reading it raises an error that names them, as for every other image that cannot be read.
        """
        stacks = {path.with_name(self.path_name(stem)) for path in paths if (stem := self.stem(path.name))}
        return sorted(stacks) or list(paths)


def is_stack_pattern(value: Any) -> bool:
    """Return whether a value of any type is the text of a ``StackPattern``."""
    try:
        return isinstance(value, str) and bool(value) and StackPattern(value) is not None
    except UsageError:
        return False


def stack_files(path: Path) -> list[Path]:
    """Return the files of a stack, by its path; none for every other path.

    >>> [file.name for file in stack_files(Path("scenes/1_{B02,B03}.tif"))]
    ['1_B02.tif', '1_B03.tif']
    """
    lists = _MEMBERS.findall(path.name)
    if len(lists) != 1 or path.exists():
        return []
    before, after = _MEMBERS.sub("\0", path.name).split("\0")
    return [path.with_name(f"{before}{member}{after}") for member in lists[0].split(",") if member]


def image_stem(path: Path) -> str:
    """Return the name of an image without suffix, and of a stack without its members.

    >>> image_stem(Path("scene1_{B02,B03}.tif")), image_stem(Path("scene1.tif"))
    ('scene1', 'scene1')
    """
    return _MEMBERS.sub("", path.stem).strip("_-. ") or path.stem if stack_files(path) else path.stem


def file_version(path: Path) -> tuple[int, int]:
    """Return size in bytes and time of the last change in nanoseconds of a file, or of all files of a stack together.

    Files that a stack lacks count as empty.

    Raises: OSError if there is no file.
    """
    files = stack_files(path)
    statuses = [status_of(file) for file in [file for file in files if file.exists()] or files or [path]]
    return sum(status.st_size for status in statuses), max(status.st_mtime_ns for status in statuses)


def file_digest(path: Path) -> bytes:
    """Return the SHA-256 of a file, or of the files of a stack one after another."""
    digest = hashlib.sha256()
    for file in stack_files(path) or [path]:
        with open_regular(file) as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
    return digest.digest()


class StackImage(SampleImage):
    """A stack as one image: the channels of its files, in the order of their names in its path.

    Args:
        path: of the stack.
        files: of the stack.

    Raises:
        ImageError: a file is missing, cannot be read, or has another size or type than the first one.
    """

    format = "STACK"

    def __init__(self, path: Path, files: Sequence[Path]) -> None:
        self.path, self.files = path, files
        super().__init__(io.BytesIO(b"stack"))

    def _open(self) -> None:
        from i2i.images.channels import read_channel_header

        missing = [file.name for file in self.files if not file.exists() and not file.is_symlink()]
        if missing:
            verb = "is" if len(missing) == 1 else "are"
            raise ImageError(
                f"{self.path}: {', '.join(missing)} {verb} missing. An image of several files needs all of them."
            )
        headers = []
        for file in self.files:
            with _errors_name(self.path, file):
                headers.append(read_channel_header(file))
        first = headers[0]
        for file, header in zip(self.files, headers, strict=True):
            if header.size != first.size or header.dtype != first.dtype:
                raise ImageError(
                    f"{self.path}: {file.name} has {_describe(header)}, and {self.files[0].name} has "
                    f"{_describe(first)}. The files of an image need one size and one type."
                )
        self.geo: dict[int, Any] = {}  # tags that place the first file on the Earth, once it is decoded
        self.counts = [header.channels for header in headers]
        self._size = first.size
        self.num_channels = sum(self.counts)
        self.dtype = np.dtype(first.dtype)
        self.sample_type = sample_type_of(self.dtype)
        self._mode = "L" if self.num_channels < 3 else "RGB"
        if self.num_channels not in (1, 3):
            self.not_a_picture = f"has {self.num_channels} channels"

    @property
    def bands(self) -> tuple[str, ...]:
        """The members in the braces of the path, if each file has one channel."""
        members = _MEMBERS.findall(self.path.name)[0].split(",")
        return tuple(members) if self.num_channels == len(members) else ()

    def channels(self) -> np.ndarray:
        """Return all channels (H, W, C), and set ``geo``."""
        from i2i.images.channels import read_channels

        options: dict[str, Any] = {} if self.max_pixels is None else {"max_pixels": self.max_pixels}
        images = []
        for file, count in zip(self.files, self.counts, strict=True):
            with _errors_name(self.path, file):
                images.append(read_channels(file, count, **options))
        self.geo = dict(images[0].geo)
        return np.concatenate([image.values for image in images], 2)

    @property
    def declared(self) -> ValueRange | None:
        return None

    def _decode(self) -> Samples:
        values = self.channels()
        return Samples(values[..., 0] if self.num_channels == 1 else values, self.sample_type)


@contextmanager
def _errors_name(stack: Path, file: Path) -> Iterator[None]:
    """Name a stack in the errors of one of its files."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{stack}: {str(error).replace(str(file), file.name)}") from error


def _describe(header: Any) -> str:
    width, height = header.size
    return f"{width}x{height} pixels of {header.dtype}"
