"""Download a model file from the Hugging Face Hub into the cache of ``huggingface_hub``."""

import logging
from pathlib import Path

from i2i._version import __version__
from i2i.checkpoints.foreign.reading import MAX_FILE_BYTES
from i2i.checkpoints.hub.address import HubAddress
from i2i.checkpoints.hub.cache import cached_model
from i2i.checkpoints.hub.client import TIMEOUT, hub_errors, import_hub
from i2i.checkpoints.hub.selection import choose_file
from i2i.errors import DownloadError, ModelFileError

logger = logging.getLogger(__name__)

_fetched: dict[HubAddress, Path] = {}  # by this process: a command that asks again gets the same version


def fetch_model(address: HubAddress) -> Path:
    """Return the path of a model file, which is downloaded unless the cache has it.

    If the Hub cannot be reached, the version that was last downloaded is used, and a warning says so.

    Raises:
        ModelFileError: there is no such model, the user may not read it, or it is larger than MAX_FILE_BYTES.
        DownloadError: the Hub cannot be reached, and the model was not downloaded before.
        UsageError: ``huggingface_hub`` is not installed.
    """
    known = _fetched.get(address)
    if known is not None and known.is_file():
        return known
    hub = import_hub(str(address))
    try:
        _fetched[address] = _download(address)
    except DownloadError as error:
        cached = cached_model(address, hub.constants.HF_HUB_CACHE)
        if cached is None:
            raise
        logger.warning("%s The version that was downloaded last is used.", error)
        _fetched[address] = cached
    return _fetched[address]


def _download(address: HubAddress) -> Path:
    from huggingface_hub import HfApi, constants

    api = HfApi(endpoint=constants.ENDPOINT, library_name="i2i", library_version=__version__)
    with hub_errors(str(address), ModelFileError):
        info = api.model_info(address.repo, revision=address.revision, files_metadata=True, timeout=TIMEOUT)
    sizes = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or []}
    file = choose_file(address, sizes)
    if sizes[file] > MAX_FILE_BYTES:
        raise ModelFileError(f"{address}: {file} has {sizes[file] / 1e9:.1f} GB; model files may have 4.3 GB.")
    files = [file, f"{file[:-4]}.bin"] if file.lower().endswith(".xml") else [file]  # OpenVINO's weights
    logger.info("%s: %s, %.1f MB, of commit %s", address, file, sizes[file] / 1e6, str(info.sha)[:12])
    with hub_errors(str(address), ModelFileError):
        paths = [
            api.hf_hub_download(
                address.repo, name, revision=address.revision, cache_dir=constants.HF_HUB_CACHE, etag_timeout=TIMEOUT
            )
            for name in files
        ]
    return Path(paths[0])
