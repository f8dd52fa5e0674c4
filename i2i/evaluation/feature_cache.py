"""Cache of the features of real images, which the evaluations of different models share."""

import hashlib
import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from i2i.data.image_cache import cache_dir
from i2i.evaluation.eval_set import ImageSet
from i2i.images import write_atomic
from i2i.images.files import remove_unfinished

Features = NDArray[np.float32]
FORMAT = 1  # to be raised when the features of the same images change


class FeatureCache:
    """A folder of feature arrays, named by the hash of the images' content, their resizing and the network.

    An entry is never outdated, because a changed image gives another name.

    Args:
        folder: None disables the cache.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    @classmethod
    def default(cls) -> "FeatureCache":
        """Return the cache in ``$I2I_CACHE``, else in ``datasets/.packed``."""
        return cls(cache_dir() / "features")

    def get(self, images: ImageSet, network_hash: str, compute: Callable[[], Features]) -> Features:
        """Return the features of ``images`` from the cache, else compute and store them.

        Args:
            images: N images.
            network_hash: SHA-256 of the network's weights.
            compute: returns the features, (N, D).
        """
        if self.folder is None:
            return compute()
        key = hashlib.sha256(f"{FORMAT} {network_hash} {images.content_hash()}".encode()).hexdigest()[:32]
        path = self.folder / f"{key}.npy"
        with suppress(OSError, ValueError, EOFError):  # a missing or damaged entry is computed again
            cached = np.load(path, allow_pickle=False)
            if cached.ndim == 2 and len(cached) == len(images) and np.isfinite(cached).all():
                return cached
        features = compute()
        buffer = io.BytesIO()
        np.save(buffer, features, allow_pickle=False)
        with suppress(OSError):  # a full or read-only disk costs time at the next evaluation, not this result
            path.parent.mkdir(parents=True, exist_ok=True)
            remove_unfinished([path.parent])
            write_atomic(path, buffer.getvalue())
        return features
