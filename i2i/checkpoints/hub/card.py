"""The card of a model on the Hugging Face Hub: ``README.md``, and the images beside it that it shows."""

import logging
from pathlib import Path

from i2i.checkpoints.hub.address import HubAddress
from i2i.checkpoints.hub.client import TIMEOUT, hub_errors
from i2i.checkpoints.hub.readme import card_of_readme
from i2i.checkpoints.hub.selection import CARD_FILE
from i2i.checkpoints.model_card import images_of
from i2i.errors import I2IError, ModelFileError

logger = logging.getLogger(__name__)

MAX_CARD_BYTES = 1 << 20
MAX_IMAGE_BYTES = 10 << 20
MAX_IMAGES = 10


def fetch_card(address: HubAddress) -> tuple[str, list[Path]]:
    """Return the card of a model that was downloaded, and its images; "" if it cannot be had, with a warning."""
    from huggingface_hub import HfApi, constants

    api = HfApi(endpoint=constants.ENDPOINT)
    try:
        with hub_errors(str(address), ModelFileError):
            info = api.model_info(address.repo, revision=address.revision, files_metadata=True, timeout=TIMEOUT)
            sizes = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or []}

            def fetch(name: str) -> Path:
                path = api.hf_hub_download(
                    address.repo, name, revision=info.sha, cache_dir=constants.HF_HUB_CACHE, etag_timeout=TIMEOUT
                )
                return Path(path)

            if not 0 < sizes.get(CARD_FILE, 0) <= MAX_CARD_BYTES:
                return "", []
            card = card_of_readme(fetch(CARD_FILE).read_text(encoding="utf-8", errors="replace"))
            names = [name for name in images_of(card) if 0 < sizes.get(name, 0) <= MAX_IMAGE_BYTES]
            return card, [fetch(name) for name in names[:MAX_IMAGES]]
    except I2IError as error:
        logger.warning("The card was not copied. %s", error)
        return "", []
