"""CUDA without a GPU: torch's fake tensors have a device, a shape and a dtype, but hold no values.

A fake tensor raises an error where tensors of two devices meet. ``DeviceOnly`` also raises where the host reads a value
from the device, and where a tensor on the CPU is made or used.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

CUDA = torch.device("cuda")
_READ = torch.ops.aten._local_scalar_dense.default
_FUSED_ADAM = torch.ops.aten._fused_adam_.tensor_lr  # has no fake kernel


class HostError(AssertionError):
    """The host and the device exchange data where they should not."""


class DeviceOnly(TorchDispatchMode):
    """Raise HostError for every operation that reads a value or has a tensor on the CPU."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is _READ:
            raise HostError("the host waits for a value from the device")
        result = None if func is _FUSED_ADAM else func(*args, **(kwargs or {}))
        for value in tree_leaves((args, kwargs, result)):
            if isinstance(value, Tensor) and value.device.type != "cuda":
                raise HostError(f"{func} has a tensor {tuple(value.shape)} on {value.device}")
        return result


class ReadsAllowed(TorchDispatchMode):
    """Return 0.5 for every value that the host reads."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return 0.5 if func is _READ else func(*args, **(kwargs or {}))


@contextmanager
def fake_cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTensorMode]:
    """Create fake tensors inside the context, and replace what needs a driver: gradients, autocast's check, the RNG."""

    def backward(loss: Tensor, *, inputs: Sequence[Tensor]) -> None:
        assert loss.requires_grad
        for weight in inputs:
            weight.grad = torch.zeros_like(weight)

    def grad(output: Tensor, inputs: Tensor, **options: Any) -> tuple[Tensor]:
        assert output.requires_grad
        return (torch.zeros_like(inputs),)

    monkeypatch.setattr(Tensor, "backward", backward)
    monkeypatch.setattr(torch.autograd, "grad", grad)
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_: True)
    monkeypatch.setattr(FakeTensorMode, "__deepcopy__", lambda mode, memo: mode, raising=False)
    with FakeTensorMode() as mode:
        yield mode


def move_to_fake_cuda(network: nn.Module) -> None:
    """Replace all parameters and buffers of a network by fake ones on CUDA. Call it inside ``fake_cuda``.

    Other tensors that the network holds stay on the CPU, as with ``network.to("cuda")``.
    """
    for module in network.modules():
        for tensors in (module._parameters, module._buffers):
            for name, value in tensors.items():
                if value is None:
                    continue
                fake: Tensor = torch.empty_strided(value.shape, value.stride(), dtype=value.dtype, device=CUDA)
                tensors[name] = nn.Parameter(fake, value.requires_grad) if isinstance(value, nn.Parameter) else fake
