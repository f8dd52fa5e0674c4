"""The feature network of FID and KID: Inception v3."""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby, islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from i2i.device import resolve_device
from i2i.images import read
from i2i.pretrained import weights_digest
from i2i.pretrained.inception import NUM_FEATURES, NUM_LOGITS, load_inception

BATCH_SIZE = 16
MIN_SIZE = 2  # pixels a side that the network can enlarge

ImageOrPath = Path | Image.Image
Features = NDArray[np.float32]  # (N, NUM_FEATURES), one row for each image
Progress = Callable[[int], None]  # called with the number of images done


class Inception:
    """Inception v3 of 2015-12-05, as Heusel et al. 2017 use it: torch-fidelity's network, in float32.

    It resizes every image to 299² by TensorFlow 1's bilinear interpolation, without antialiasing. Colour profiles of
    files are ignored, as in every published number.

    >>> network = Inception()  # doctest: +SKIP
    >>> network.features(Path("photos").glob("*.png")).shape  # doctest: +SKIP
    (120, 2048)

    The weights are loaded from a folder of ``$I2I_WEIGHTS``, else downloaded by torch-fidelity. They are never random.

    Args:
        device: "auto", "cpu", "cuda", …
        network: a replacement for the network; takes uint8 (N, 3, H, W) and returns a tuple of features (N, D) and, if
            it has them, logits.

    Raises:
        ModelFileError: if the weights can be neither found nor downloaded.
    """

    def __init__(self, device: str = "auto", network: nn.Module | None = None) -> None:
        self.device = resolve_device(device)
        network = network or load_inception()
        self.network = network.to(self.device).to(memory_format=torch.channels_last).eval()
        self.has_logits = len(getattr(network, "features_list", ("features", "logits"))) == 2
        # Without the layer of the logits: the hash identifies the features, and files differ in whether they have it.
        weights = {name: value for name, value in network.state_dict().items() if not name.startswith("fc.")}
        self.hash = weights_digest(weights)

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return features and logits of one batch.

        Args:
            pixels: uint8 (N, 3, H, W).

        Returns: features (N, 2048), and logits (N, 1008) or None if the network has no logits.
        """
        with full_precision(self.device):
            features, *logits = self.network(pixels.to(self.device))
        return features.float(), logits[0].float() if logits else None

    def features(self, images: Iterable[ImageOrPath], progress: Progress = lambda done: None) -> Features:
        """Return the features of images or image files: (N, 2048), in their order.

        Args:
            images: images of any sizes, or their files.
            progress: called with the number of images done, after each batch.

        Raises:
            ImageError: if a file is not a readable image.
        """
        return self.features_and_logits(images, progress)[0]

    def features_and_logits(
        self, images: Iterable[ImageOrPath], progress: Progress = lambda done: None
    ) -> tuple[Features, Features | None]:
        """Return the features as ``features`` does, and logits (N, 1008) or None if the network has no logits.

        Args:
            images: images of any sizes, or their files.
            progress: called with the number of images done, after each batch.
        """
        outputs: list[tuple[Tensor, Tensor | None]] = []
        done = 0
        for batch in _read_batches(images):
            for _, same_size in groupby(batch, lambda pixels: pixels.shape):
                outputs.append(self(torch.from_numpy(np.stack(list(same_size))).permute(0, 3, 1, 2)))
            done += len(batch)
            progress(done)
        features = [part.cpu() for part, _ in outputs]
        logits = [part.cpu() for _, part in outputs if part is not None]
        return _concatenate(features, NUM_FEATURES), _concatenate(logits, NUM_LOGITS) if logits else None


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Compute in float32: without autocast, and without TF32, which would change metrics on a GPU."""
    with torch.autocast(device.type, enabled=False), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def _concatenate(parts: list[Tensor], columns: int) -> Features:
    return torch.cat(parts).numpy() if parts else np.empty((0, columns), np.float32)


def _read_batches(images: Iterable[ImageOrPath]) -> Iterator[list[NDArray[np.uint8]]]:
    """Yield uint8 (H, W, 3) arrays in lists of up to BATCH_SIZE; threads read the next batch ahead."""
    iterator = iter(images)
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        current = [pool.submit(_read_pixels, image) for image in islice(iterator, BATCH_SIZE)]
        while current:
            following = [pool.submit(_read_pixels, image) for image in islice(iterator, BATCH_SIZE)]
            yield [future.result() for future in current]
            current = following


def _read_pixels(source: ImageOrPath) -> NDArray[np.uint8]:
    image = read(source, profiles=False) if isinstance(source, Path) else source.convert("RGB")
    size = max(MIN_SIZE, image.width), max(MIN_SIZE, image.height)
    return np.asarray(image if image.size == size else image.resize(size))
