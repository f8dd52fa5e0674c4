"""The text of a run's ``config.json``: JSON with a checksum of its content, verified when it is read."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from i2i.json_parsing import parse_json_table

CHECKSUM = "sha256"  # the key of the checksum
CHANGED = f'its content differs from its checksum (if you edited it on purpose, remove its line "{CHECKSUM}")'


def encode_config(config: Mapping[str, Any]) -> bytes:
    """Return settings as the text of ``config.json``, with the SHA-256 of them."""
    content = parse_json_table(json.dumps(config), keep_file_names=True)
    return json.dumps({**content, CHECKSUM: _digest(content)}, indent=2).encode() + b"\n"


def decode_config(text: bytes) -> tuple[dict[str, Any], bool]:
    """Return the settings in a ``config.json``, and whether they are as they were written.

    Files of earlier versions, and those from which a user removed the checksum, count as such.

    Raises:
        JsonError: the text is not JSON or no table.
    """
    content = parse_json_table(text, keep_file_names=True)
    digest = content.pop(CHECKSUM, None)
    return content, digest is None or digest == _digest(content)


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
