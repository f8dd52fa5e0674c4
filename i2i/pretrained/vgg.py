"""VGG16 and VGG19 (Simonyan and Zisserman 2015) with the weights that torchvision trained on ImageNet."""

import os
import pickle
from typing import Literal

import torch
from torch import Tensor, nn

from i2i.device import is_out_of_memory
from i2i.errors import ModelFileError
from i2i.pretrained import find_weights

VGG_MIN_SIZE = 16  # pixels a side that leave one position after four poolings
VGGName = Literal["vgg16", "vgg19"]


def weights_file(name: VGGName) -> str:
    """Return the name of torchvision's weights file, such as "vgg19-dcbb9e9d.pth"."""
    return _weights_url(name).rpartition("/")[2]


def load_vgg_weights(name: VGGName, alternative: str) -> dict[str, Tensor]:
    """Return the weights of the convolutions by their names in torchvision, "features.0.weight" and so on, in float32.

    They come from the file ``weights_file(name)`` in a folder of ``$I2I_WEIGHTS``, else from the cache of torch.hub, to
    which torchvision's file is downloaded if it is missing (more than 500 MB, with the classifier).

    Args:
        name: of the network.
        alternative: what the user can do without it; ends the error message.

    Raises: ModelFileError if the file is damaged, or can neither be found nor downloaded.
    """
    path = find_weights(weights_file(name))
    try:
        if path is None:
            tensors = torch.hub.load_state_dict_from_url(
                _weights_url(name), map_location="cpu", check_hash=True, weights_only=True
            )
        else:
            tensors = torch.load(path, map_location="cpu", weights_only=True)
        features = {key: tensor.float() for key, tensor in tensors.items() if key.startswith("features.")}
    except (OSError, RuntimeError, ValueError, TypeError, AttributeError, EOFError, pickle.UnpicklingError) as error:
        if is_out_of_memory(error):
            raise
        if path is not None:
            reason = str(error).partition("\n")[0]
            raise ModelFileError(f"{path} is no readable file of weights: {reason}. Replace or remove it.") from error
        raise ModelFileError(
            f"The perceptual loss needs the weights of {name.upper()}. {weights_file(name)} is in no folder of "
            f"$I2I_WEIGHTS ({os.environ.get('I2I_WEIGHTS') or 'not set'}), and it could not be downloaded ({error}). "
            f"Set I2I_WEIGHTS to the folder that holds the file, or {alternative}."
        ) from error
    return features


def build_vgg(name: VGGName, layers: int, alternative: str) -> nn.Sequential:
    """Return the first ``layers`` layers of torchvision's ``features``.

    Raises: ModelFileError if the weights do not fit, or as ``load_vgg_weights`` does.
    """
    from torchvision import models

    with torch.device("meta"):
        network = getattr(models, name)(weights=None).features[:layers]
    tensors = load_vgg_weights(name, alternative)
    try:
        network.load_state_dict({key: tensors[f"features.{key}"] for key in network.state_dict()}, assign=True)
    except KeyError as error:
        raise ModelFileError(f"{weights_file(name)} has no tensor {error}. It is not {name.upper()}.") from error
    except RuntimeError as error:
        raise ModelFileError(f"{weights_file(name)} does not fit {name.upper()}: {error}.") from error
    for layer in network:
        if isinstance(layer, nn.ReLU):
            layer.inplace = False  # the features before it are used
    return network


def _weights_url(name: VGGName) -> str:
    from torchvision import models

    weights = {"vgg16": models.VGG16_Weights, "vgg19": models.VGG19_Weights}[name]
    return str(weights["IMAGENET1K_V1"].url)
