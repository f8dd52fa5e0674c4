"""Features of real pictures, kept from one evaluation to the next."""

import hashlib
import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2i.data.image_cache import home
from i2i.evaluation.eval_set import Pictures
from i2i.images import write_atomic

Features = NDArray[np.float32]
FORMAT = 1  # raised when other features come of the same pictures


class FeatureCache:
    """A folder of arrays, each named by what the pictures hold, how they are brought to size, and the network.

    So that none is ever out of date: a picture that changes asks for another name. ``None`` keeps nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    @classmethod
    def usual(cls) -> "FeatureCache":
        """In ``$I2I_CACHE``, else ``datasets/.packed``."""
        return cls(home() / "features")

    def get(self, pictures: Pictures, network: str, make: Callable[[], Features]) -> Features:
        """The features of ``pictures``, from the folder or made now. network: the hash of its weights."""
        if self.folder is None:
            return make()
        name = hashlib.sha256(f"{FORMAT} {network} {pictures.contents()}".encode()).hexdigest()[:32]
        path = self.folder / f"{name}.npy"
        with suppress(OSError, ValueError, EOFError):  # missing or damaged: made again
            found = np.load(path, allow_pickle=False)
            if found.ndim == 2 and len(found) == len(pictures) and np.isfinite(found).all():
                return found
        made = make()
        buffer = io.BytesIO()
        np.save(buffer, made, allow_pickle=False)
        with suppress(OSError):  # no room, or no right to write: the next evaluation takes its time again
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, buffer.getvalue())
        return made
