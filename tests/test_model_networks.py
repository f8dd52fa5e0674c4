import torch

from i2i.model_networks import _WithoutRandomWeights
from i2i.networks import GENERATORS


def test_without_random_weights_networks_have_the_same_tensors_on_the_device_meta() -> None:
    for config in GENERATORS.values():
        with torch.device("meta"), _WithoutRandomWeights():
            tensors = config().build(64).state_dict()
        wanted = config().build(64).state_dict()
        assert {name: (value.shape, value.dtype) for name, value in tensors.items()} == {
            name: (value.shape, value.dtype) for name, value in wanted.items()
        }
        assert all(value.is_meta for value in tensors.values())
