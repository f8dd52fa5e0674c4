"""Models of the Hugging Face Hub: their addresses, downloads and uploads, through the package ``huggingface_hub``."""

from i2i.checkpoints.hub.address import HubAddress, is_hub_address, parse_address
from i2i.checkpoints.hub.cache import address_of_cached_file
from i2i.checkpoints.hub.download import fetch_model

__all__ = ["HubAddress", "address_of_cached_file", "fetch_model", "is_hub_address", "parse_address"]
