"""Addresses of files outside of the file system, such as ``s3://bucket/folder``, through fsspec.

fsspec finds the package that serves a protocol: s3fs for ``s3``, gcsfs for ``gs``, huggingface_hub for ``hf``. Each
takes credentials and endpoints from its own environment variables and files.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from i2i.errors import I2IError, UsageError, install_command

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "hf": "hub"}
_PROTOCOLS = (*_EXTRAS, "memory")  # no others: web servers have no folders, and fsspec would reach any host for them


def is_address(text: object) -> bool:
    """Return whether a text has the form PROTOCOL://…, and is not a path.

    >>> is_address("s3://bucket/photos"), is_address("photos/a.png")
    (True, False)
    """
    return _ADDRESS.match(str(text)) is not None


@dataclass(frozen=True)
class StoredFile:
    """A file at an address.

    Attributes:
        address: its address.
        relative: its path below the address that was listed, with slashes; its name if it was listed itself.
        size: in bytes.
        version: changes when the content does: the ETag or hash of an object store, else the time of the last change.
        md5: of the content, where the store states it; else "".
    """

    address: str
    relative: str
    size: int
    version: str
    md5: str = ""


class Storage:
    """The files below an address.

    Args:
        address: such as "s3://bucket/folder".

    Raises: UsageError if the protocol is none of those of object stores, or its package is not installed.
    """

    def __init__(self, address: str) -> None:
        from fsspec.core import url_to_fs  # a dependency of torch

        self.address = address.rstrip("/")
        self.protocol = address.partition("://")[0].lower()
        if self.protocol not in _PROTOCOLS or "::" in address:  # fsspec takes A::B for a file within another
            raise UsageError(
                f"{address} is an address that i2i does not read: it takes paths, and addresses that begin with s3://, "
                "gs:// or hf://. Download the images, and give the name of the file or folder."
            )
        try:
            self._fs, root = url_to_fs(self.address, use_listings_cache=False)
        except ImportError as error:
            extra = _EXTRAS.get(self.protocol)
            advice = f"install it by {install_command(extra)}" if extra else str(error)
            raise UsageError(f"{address} needs a package that is not installed: {advice}.") from error
        except ValueError as error:
            raise UsageError(f"{address} is no usable address: {error}.") from error
        self._root = str(root).rstrip("/")

    def list_files(self) -> Iterator[StoredFile]:
        """Yield all files at and below the address. Raises UsageError if there is nothing; I2IError if it fails."""
        count = 0
        with _store_errors(self.address, "cannot be listed"):
            for info in self._infos():
                name = str(info["name"])
                relative = name[len(self._root) :].lstrip("/") or name.rpartition("/")[2]
                yield StoredFile(self._address_of(name), relative, int(info.get("size") or 0), *_version(info))
                count += 1
        if not count:
            raise UsageError(f"{self.address} does not exist, or holds no files.")

    def list_files_or_none(self) -> Iterator[StoredFile]:
        """Yield all files at and below the address; none if there is nothing."""
        try:
            yield from self.list_files()
        except UsageError:
            return

    def _infos(self) -> Iterator[dict[str, Any]]:
        if self.protocol in ("s3", "s3a"):
            yield from self._s3_infos()
            return
        self._fs.invalidate_cache()
        if self._fs.isfile(self._root):
            yield self._fs.info(self._root)
            return
        for _, _, files in self._fs.walk(self._root, detail=True):  # a folder at a time
            yield from files.values()

    def _s3_infos(self) -> Iterator[dict[str, Any]]:
        """Yield the objects page by page: the list of a folder of a million objects would take a gigabyte."""
        bucket, _, key = self._root.partition("/")
        token: dict[str, str] = {}
        while True:
            page = self._fs.call_s3("list_objects_v2", Bucket=bucket, Prefix=key, **token)
            for row in page.get("Contents", ()):
                if not row["Key"].endswith("/") and (not key or row["Key"] == key or row["Key"].startswith(f"{key}/")):
                    yield {**row, "name": f"{bucket}/{row['Key']}", "size": row["Size"]}
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _address_of(self, name: str) -> str:
        return f"{self.protocol}://{name.lstrip('/') if self.protocol != 'memory' else name}"

    def list_below(self, relative: str) -> list[str]:
        """Return the sorted names of the files in a folder; none if there is no such folder."""
        with _store_errors(f"{self.address}/{relative}", "cannot be listed"):
            try:
                names = self._fs.ls(f"{self._root}/{relative}", detail=False, refresh=True)
            except FileNotFoundError:
                return []
        return sorted(str(name).rpartition("/")[2] for name in names)

    def download(self, address: str, path: Path) -> None:
        """Write the file of an address to a path. Raises I2IError with the reason if that fails."""
        with _store_errors(address, "cannot be read"):
            self._fs.get_file(self._fs._strip_protocol(address), str(path))

    def head(self, address: str, length: int) -> bytes:
        """Return the first bytes of a file."""
        with _store_errors(address, "cannot be read"):
            return bytes(self._fs.cat_file(self._fs._strip_protocol(address), start=0, end=length))

    def read(self, relative: str) -> bytes:
        """Return the content of a file below the address."""
        with _store_errors(f"{self.address}/{relative}", "cannot be read"):
            return bytes(self._fs.cat_file(f"{self._root}/{relative}"))

    def open(self, relative: str, mode: str = "rb") -> Any:
        """Open a file below the address: to read it, or to write it in parts ("wb")."""
        return self._fs.open(f"{self._root}/{relative}", mode)

    def write(self, relative: str, data: bytes) -> None:
        """Write a file below the address. An object store shows it when it is complete."""
        with _store_errors(f"{self.address}/{relative}", "could not be written"):
            if self.protocol in ("memory", "sftp", "ftp", "smb"):
                self._fs.makedirs(f"{self._root}/{relative}".rpartition("/")[0], exist_ok=True)
            self._fs.pipe_file(f"{self._root}/{relative}", data)

    def remove(self, relatives: list[str]) -> None:
        """Remove files below the address."""
        if relatives:
            with _store_errors(self.address, "could not be cleaned up"):
                self._fs.rm([f"{self._root}/{relative}" for relative in relatives])


def _version(info: dict[str, Any]) -> tuple[str, str]:
    """Return version and MD5 of a file by what the store says about it."""
    tag = str(info.get("ETag") or "").strip('"')
    md5 = tag if re.fullmatch(r"[0-9a-f]{32}", tag) else ""
    for key in ("ETag", "md5Hash", "blob_id", "LastModified", "mtime", "updated", "created"):
        if info.get(key):
            return str(info[key]).strip('"'), md5
    return str(info.get("size")), md5


@contextmanager
def _store_errors(address: str, problem: str) -> Iterator[None]:
    """Turn what the packages raise into an I2IError "ADDRESS PROBLEM: REASON."."""
    try:
        yield
    except I2IError:
        raise
    except Exception as error:  # each package raises exceptions of its own: of clients, of HTTP, of the file system
        if isinstance(error, FileNotFoundError):
            raise I2IError(f"{address} does not exist.") from error
        reason = str(error).strip(". ") or type(error).__name__
        raise I2IError(f"{address} {problem}: {reason}.") from error
