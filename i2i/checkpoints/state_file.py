"""Training states as files: written with a checksum, verified when they are read."""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i2i.checkpoints.upgrade import upgrade_state
from i2i.errors import RunError

_TRAILER = b"\ni2i state SHA-256 "  # then the digest of all bytes before the trailer, as 64 hexadecimal digits
_TRAILER_BYTES = len(_TRAILER) + 64
_ZIP_END_BYTES = 22  # the record at the end of a zip file without a comment, as torch.save writes it


def encode_state(state: Mapping[str, Any]) -> memoryview:
    """Return the content of a state file: what ``torch.save`` writes, then the SHA-256 of it.

    Args:
        state: nested dicts, lists, numbers, strings and tensors.
    """
    import torch

    buffer = io.BytesIO()
    torch.save(dict(state), buffer)
    digest = hashlib.sha256(buffer.getbuffer()).hexdigest()
    buffer.seek(0, io.SEEK_END)
    buffer.write(_TRAILER + digest.encode())
    return buffer.getbuffer()


def read_state(path: Path) -> dict[str, Any]:
    """Return the state in a file of any version.

    Files of earlier versions have no SHA-256; the CRC-32 of their parts are verified in its place. The file can run no
    code.

    Raises:
        RunError: the file cannot be read, differs from its checksum, or holds no state.
    """
    import torch

    try:
        content = _verified(path.read_bytes())
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes can fail in many ways
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise RunError(f"{path} is damaged: {reason[0][:200]}.") from error
    if not isinstance(state, dict) or not isinstance(state.get("step"), int):
        raise RunError(f"{path} holds no training state of i2i.")
    return upgrade_state(state)


def _verified(content: bytes) -> bytes:
    """Return the part of a state file that ``torch.load`` reads. Raise ValueError if it is damaged."""
    if not content:
        raise ValueError("it is empty (0 bytes)")
    if content[-_TRAILER_BYTES:].startswith(_TRAILER):
        saved, digest = content[:-_TRAILER_BYTES], content[-64:].decode("ascii", "replace")
        if hashlib.sha256(saved).hexdigest() != digest:
            raise ValueError("its content differs from its SHA-256")
        return saved
    if content[-_ZIP_END_BYTES:][:4] != b"PK\5\6":
        raise ValueError("it is cut off, or its end was changed")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if part := archive.testzip():
            raise ValueError(f"the checksum of {part} is wrong")
    return content
