"""Initial weights from an existing model."""

import logging

import torch

from i2i.checkpoints.model_file import find_model_file, load_model_file
from i2i.errors import UsageError
from i2i.methods.base import Method

logger = logging.getLogger(__name__)


def load_matching_weights(method: Method, model: str) -> None:
    """Copy into each translator the tensors of ``model`` that have the same name and shape. Log how many they are.

    Args:
        method: its translators are changed in place.
        model: a run, or the path of a model file. Each translator takes the network of its own direction, or the
            model's first network if the model has no such direction.

    Raises:
        UsageError: no tensor matches.
        ModelFileError: there is no such model.
    """
    source = load_model_file(find_model_file(model))
    first_direction = min(source.tensors).partition(".")[0] if source.tensors else ""
    for direction, network in method.translators().items():
        target = network.state_dict()
        pretrained = source.state_dict(direction) or source.state_dict(first_direction)
        matching = {
            name: value for name, value in pretrained.items() if name in target and target[name].shape == value.shape
        }
        if not matching:
            raise UsageError(
                f"No tensor of {model} has the name and shape of a tensor of this network. --init-from needs a model "
                "with the same generator."
            )
        with torch.no_grad():
            for name, value in matching.items():
                target[name].copy_(value)
        logger.info("%s starts with %d of %d tensors from %s", direction, len(matching), len(target), model)
