"""Addresses of models on the Hugging Face Hub, such as ``hf://user/repo@v1``."""

import re
import reprlib
from dataclasses import dataclass
from pathlib import PurePosixPath

from i2i.errors import ModelFileError

_SCHEME = re.compile(r"hf:/{1,2}")  # a Path has one slash
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_ADDRESS = re.compile(
    rf"(?:models/)?(?P<repo>{_PART}/{_PART})"
    r"(?:@(?P<revision>refs/(?:pr|convert)/[A-Za-z0-9._-]+|[A-Za-z0-9][A-Za-z0-9._-]{0,254}))?"
    r"(?:/(?P<file>[^\x00-\x1f\x7f\\:]+))?"
)
SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin", ".onnx", ".xml", ".pt2")  # of model files
FORM = "hf://USER/REPO, hf://USER/REPO@REVISION or hf://USER/REPO/FILE"


@dataclass(frozen=True)
class HubAddress:
    """A model on the Hub.

    Args:
        repo: "user/name".
        revision: branch, tag or commit; None for the branch main.
        file: path in the repository; None for its model file.
    """

    repo: str
    revision: str | None = None
    file: str | None = None

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        return f"hf://{self.repo}{revision}{f'/{self.file}' if self.file else ''}"


def is_hub_address(text: str) -> bool:
    """Return whether a text is meant as an address of the Hub."""
    return _SCHEME.match(text) is not None


def parse_address(text: str) -> HubAddress:
    """Return the address that a text is.

    >>> parse_address("hf://user/repo@v1")
    HubAddress(repo='user/repo', revision='v1', file=None)

    Raises: ModelFileError if it is none of a model.
    """
    rest = _SCHEME.sub("", text, count=1)
    kind = rest.partition("/")[0]
    if kind in ("datasets", "spaces", "buckets") and rest.count("/") > 1:
        raise ModelFileError(f"{text} is an address of the Hub's {kind}. Models are at {FORM}.")
    match = _ADDRESS.fullmatch(rest)
    if match is None or any(mark in match["repo"] for mark in ("--", "..")) or not _is_inside(match["file"]):
        raise ModelFileError(f"{reprlib.repr(text)} is no address of a model on the Hugging Face Hub. Write {FORM}.")
    if match["file"] and PurePosixPath(match["file"]).suffix.lower() not in SUFFIXES:
        raise ModelFileError(f"{reprlib.repr(text)} is no model file: i2i reads {', '.join(SUFFIXES)}.")
    return HubAddress(match["repo"], match["revision"], match["file"])


def _is_inside(file: str | None) -> bool:
    """Return whether a path in a repository leads out of no folder."""
    return file is None or all(part not in ("", ".", "..") for part in file.split("/"))
