"""The network of FID and KID: what it sees in a picture, as 2048 numbers."""

import io
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from i2i.device import pick_device
from i2i.errors import BundleError
from i2i.images import read
from i2i.pretrained import digest, find_weights, load_weights

WEIGHTS = ("inception-v3-2015-12-05.safetensors", "inception-v3-2015-12-05.fp16.safetensors")  # the better one first
FEATURES = 2048  # numbers a picture, of the last pooling
LOGITS = 1008
BATCH = 16  # pictures in a pass
SMALLEST = 2  # pixels a side that can be enlarged

Picture = Path | Image.Image
Features = NDArray[np.float32]  # (N, FEATURES), a row for each picture
Progress = Callable[[int], None]  # is told the pictures done


class Inception:
    """Inception v3 of 2015-12-05, as Heusel et al. 2017 use it: torch-fidelity's network, in float32.

    It enlarges or reduces every picture to 299² by TensorFlow 1's bilinear interpolation, without smoothing.

    >>> network = Inception()
    >>> kid(network.features(pictures(Path("a"))), network.features(pictures(Path("b"))))

    Files are taken as they are stored, colour profiles left out of account: so are they in every published number.
    Its weights are looked for in the folders of ``$I2I_WEIGHTS``, else downloaded by torch-fidelity. Raises BundleError
    where they can be neither found nor downloaded: features of a random network are no measure.

    network: another one, from uint8 (N, 3, H, W) to a tuple of features (N, D) and, where it has them, logits.
    """

    def __init__(self, device: str = "auto", network: nn.Module | None = None) -> None:
        self.device = pick_device(device)
        built = network or _network()
        self.network = built.to(self.device).to(memory_format=torch.channels_last).eval()
        self.has_logits = len(getattr(built, "features_list", "12")) == 2
        features = {name: value for name, value in built.state_dict().items() if not name.startswith("fc.")}
        self.hash = digest(features)  # of what the logits are made by, nothing depends

    @torch.no_grad()
    def __call__(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Features (N, 2048) and logits (N, 1008), if there are any, of uint8 (N, 3, H, W)."""
        with full_precision(self.device):
            features, *logits = self.network(pixels.to(self.device))
        return features.float(), logits[0].float() if logits else None

    def features(self, pictures: Iterable[Picture], progress: Progress = lambda done: None) -> Features:
        """The features of pictures or files, in their order. Raises PictureError for a file that is none."""
        return self.features_and_logits(pictures, progress)[0]

    def features_and_logits(
        self, pictures: Iterable[Picture], progress: Progress = lambda done: None
    ) -> tuple[Features, Features | None]:
        """As ``features``, with the logits (N, 1008), or None where the weights lack the layer that gives them."""
        seen: list[tuple[Tensor, Tensor | None]] = []
        done = 0
        for batch in _batches(pictures):
            for _, alike in groupby(batch, lambda pixels: pixels.shape):
                seen.append(self(torch.from_numpy(np.stack(list(alike))).permute(0, 3, 1, 2)))
            done += len(batch)
            progress(done)
        logits = [found.cpu() for _, found in seen if found is not None]
        features = [found.cpu() for found, _ in seen]
        return _rows(features, FEATURES), _rows(logits, LOGITS) if logits else None


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Whatever the precision outside: in float32, and without TF32, which on a GPU would be another measure."""
    with torch.autocast(device.type, enabled=False), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        yield


def _rows(parts: list[Tensor], width: int) -> Features:
    return torch.cat(parts).numpy() if parts else np.empty((0, width), np.float32)


def _batches(pictures: Iterable[Picture]) -> Iterator[list[NDArray[np.uint8]]]:
    """Pictures as uint8 (H, W, 3), up to BATCH at a time, read ahead by threads."""
    source = iter(pictures)
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        waiting = [pool.submit(_pixels, picture) for picture in islice(source, BATCH)]
        while waiting:
            following = [pool.submit(_pixels, picture) for picture in islice(source, BATCH)]
            yield [found.result() for found in waiting]
            waiting = following


def _pixels(picture: Picture) -> NDArray[np.uint8]:
    image = read(picture, profiles=False) if isinstance(picture, Path) else picture.convert("RGB")
    width, height = max(SMALLEST, image.width), max(SMALLEST, image.height)
    return np.asarray(image if image.size == (width, height) else image.resize((width, height)))


def _network() -> nn.Module:
    """torch-fidelity's network, with the weights of a local file where there is one."""
    path = next((path for name in WEIGHTS if (path := find_weights(name))), None)
    if path is None:
        return _downloaded()
    tensors = load_weights(path)
    layers = ["2048", "logits_unbiased"] if "fc.weight" in tensors else ["2048"]
    if len(layers) == 1:  # the library wants them, and nothing is computed from them
        tensors |= {"fc.weight": torch.zeros(LOGITS, FEATURES), "fc.bias": torch.zeros(LOGITS)}
    file = io.BytesIO()  # the library would unpickle a file of ours; this one holds what was just read safely
    torch.save(tensors, file)
    file.seek(0)
    try:
        return _library(layers, file)
    except RuntimeError as error:
        raise BundleError(f"{path} does not fit Inception v3 as torch-fidelity names its tensors: {error}.") from error


def _library(layers: list[str], weights: Any = None) -> nn.Module:
    from torch_fidelity import FeatureExtractorInceptionV3  # a second or two, only for those who ask for it

    with torch.random.fork_rng(devices=[]):  # it is drawn before it is loaded
        return FeatureExtractorInceptionV3("i2i", layers, weights, verbose=False)


def _downloaded() -> nn.Module:
    try:
        return _library(["2048", "logits_unbiased"])
    except (OSError, RuntimeError) as error:
        raise BundleError(
            f"FID and KID need the weights of their network. {WEIGHTS[1]} is in no folder of $I2I_WEIGHTS "
            f"({os.environ.get('I2I_WEIGHTS') or 'not set'}), and torch-fidelity could not download its own ({error}). "
            "Set I2I_WEIGHTS to the folder that holds the file."
        ) from error
