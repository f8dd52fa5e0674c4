"""A training that begins with the weights of a model there is already."""

from collections.abc import Callable

import torch

from i2i.checkpoints.run import find_bundle, load_bundle
from i2i.errors import UsageError
from i2i.methods.base import Objective


def inherit(objective: Objective, model: str, tell: Callable[[str], None]) -> None:
    """Give each translator the tensors of ``model``, of its direction or else the first, that have its name and shape.

    Raises UsageError where there are none, and BundleError where there is no such model.
    """
    bundle = load_bundle(find_bundle(model))
    first = min(bundle.tensors).partition(".")[0] if bundle.tensors else ""
    for direction, network in objective.translators().items():
        ours, theirs = network.state_dict(), bundle.of(direction) or bundle.of(first)
        fitting = {name: value for name, value in theirs.items() if name in ours and ours[name].shape == value.shape}
        if not fitting:
            raise UsageError(f"{model} has no weights that fit this network. --begin-with needs one built alike.")
        with torch.no_grad():
            for name, value in fitting.items():
                ours[name].copy_(value)
        tell(f"{direction} begins with {len(fitting)} of {len(ours)} tensors from {model}")
