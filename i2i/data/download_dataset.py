"""Download a dataset of the catalogue: it is installed completely or not at all."""

import json
import logging
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from i2i.data.catalogue import CatalogueEntry
from i2i.data.catalogue_lookup import require_entry
from i2i.data.disk import disk_errors
from i2i.data.download import Progress, download
from i2i.data.download_log import default_download_log
from i2i.data.unpack import unpack
from i2i.errors import DatasetError, DownloadError
from i2i.images.files import remove_unfinished, rename_folder, temporary_folder
from i2i.json_parsing import JsonError, parse_json_table
from i2i.paths import expand_user

logger = logging.getLogger(__name__)

ABOUT_FILE = "about.json"
_SPLITS = ("train", "val", "test")


def download_dataset(name: str, folder: Path, *, allow_changed: bool = False, progress: Progress | None = None) -> Path:
    """Download a dataset of the catalogue and unpack it as ``folder``.

    The archive is kept in ``.downloads`` beside the folder until it is unpacked, so that the next call continues an
    interrupted download. The folder appears under its name when it is complete. Its ``about.json`` states the origin
    and the checksum of the archive. An archive whose checksum the catalogue does not know is compared to the one that
    the user received last from the same address.

    Args:
        name: name in the catalogue.
        folder: a new or empty folder.
        allow_changed: accept another archive than the one that was received last.
        progress: receives (bytes downloaded, total bytes or None).

    Returns: the folder, resolved.

    Raises:
        DatasetError: the name is unknown, or the folder is not empty.
        DownloadError: the download failed; the message lists the alternatives.
    """
    entry = require_entry(name)
    folder = expand_user(folder).resolve()  # the folder may be a symbolic link to another disk
    archive = folder.parent / ".downloads" / entry.archive
    log = default_download_log()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        if (about := _about_killed_installation(entry, archive, folder)) is not None:
            log.add(entry.url, about["sha256"], about["bytes"])
            _remove_archive(archive)
            remove_unfinished([folder.parent], folder.name)
            return folder
        raise DatasetError(f"{folder} already exists and is not empty. Choose another folder, or remove it first.")
    earlier = None if allow_changed else log.find(entry.url)
    try:
        sha256 = download(
            entry.url, archive, bytes=entry.bytes, sha256=entry.sha256, earlier=earlier, progress=progress
        )
        size = archive.stat().st_size
        known = "as expected" if entry.sha256 else "as before" if earlier else "compared at the next download"
        logger.info("received %s: %d bytes, SHA-256 %s (%s)", entry.url, size, sha256, known)
        _install(entry, archive, sha256, folder)
        log.add(entry.url, sha256, size)
        _remove_archive(archive)
    except DownloadError as error:
        raise DownloadError(f"{error}\n{_manual_instructions(entry, folder, archive)}") from error
    finally:
        with suppress(OSError):  # it may hold other downloads
            archive.parent.rmdir()
    return folder


def _about_killed_installation(entry: CatalogueEntry, archive: Path, folder: Path) -> dict[str, Any] | None:
    """Return ``about.json`` of a complete dataset if only the archive remained to be removed, else None."""
    if not archive.is_file() and not (archive.parent.is_dir() and not any(archive.parent.iterdir())):
        return None
    try:
        about = parse_json_table((folder / ABOUT_FILE).read_bytes())
    except (OSError, JsonError):
        return None
    size = archive.stat().st_size if archive.is_file() else about.get("bytes")
    is_own = (about.get("made_by"), about.get("url"), about.get("bytes")) == ("i2i", entry.url, size)
    return about if is_own and isinstance(about.get("sha256"), str) and isinstance(size, int) else None


def _remove_archive(archive: Path) -> None:
    with disk_errors(archive):
        archive.unlink(missing_ok=True)
    with suppress(OSError):  # it may hold other downloads
        archive.parent.rmdir()


def _install(entry: CatalogueEntry, archive: Path, sha256: str, folder: Path) -> None:
    """Unpack into a temporary folder and rename it to ``folder``, so that ``folder`` is never incomplete."""
    size = archive.stat().st_size
    about = {"made_by": "i2i", **asdict(entry), "bytes": size, "sha256": sha256}
    about["checksum_known_before"] = entry.sha256 is not None
    try:
        with disk_errors(folder), temporary_folder(folder) as unfinished:
            unpack(archive, unfinished)
            content = _dataset_folder(unfinished)
            (content / ABOUT_FILE).write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            rename_folder(content, folder)
    except DownloadError:
        if entry.sha256 is None:  # the archive itself may be damaged: the next call downloads it again
            archive.unlink(missing_ok=True)
        raise


def _dataset_folder(unpacked: Path) -> Path:
    """Return the dataset's folder: the single top folder of the archive, unless that is itself a split."""
    entries = list(unpacked.iterdir())
    if not entries:
        raise DownloadError("The archive holds no files. Expected a dataset of images.")
    splits = {f"{split}{domain}" for split in _SPLITS for domain in ("", "A", "B")}
    if len(entries) == 1 and entries[0].is_dir() and entries[0].name not in splits:
        return entries[0]
    return unpacked


def _manual_instructions(entry: CatalogueEntry, folder: Path, archive: Path) -> str:
    train = "trainA" if entry.kind == "unpaired" else "train"
    return (
        f"Other ways to get {entry.name}:\n"
        f"- download {entry.url} with a browser or on another machine, and unpack it so that {folder / train} exists;\n"
        f"- or save it as {archive} and run the same command again, which checks and unpacks it;\n"
        f"- if the dataset is already on this machine, set I2I_DATASETS to the folder that holds {entry.name}/.\n"
        "`i2i data generate` makes a dataset without a network."
    )
