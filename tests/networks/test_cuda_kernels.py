from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from i2i.networks import PatchGAN, PatchGANConfig, Resnet, ResnetConfig, blurpool, instance_norm, padding
from i2i.networks.cuda_kernels import MIN_VALUES, for_cuda_graph, prefers_more_kernels


def fake_image(*shape: int, device: str = "cuda", layout: torch.memory_format = torch.channels_last) -> Tensor:
    return torch.empty(shape, device=device, memory_format=layout)


def test_more_kernels_are_for_channels_last_images_in_cuda_graphs_or_with_many_values() -> None:
    side = int((MIN_VALUES // 8) ** 0.5)
    with FakeTensorMode():
        small, large = fake_image(1, 8, 16, 16), fake_image(1, 8, side + 1, side + 1)
        plain = fake_image(1, 8, side + 1, side + 1, layout=torch.contiguous_format)
        on_cpu = fake_image(1, 8, side + 1, side + 1, device="cpu")
        assert [prefers_more_kernels(x) for x in (small, large, plain, on_cpu)] == [False, True, False, False]
        with for_cuda_graph():
            assert [prefers_more_kernels(x) for x in (small, large, plain, on_cpu)] == [True, True, False, False]
            with ThreadPoolExecutor(1) as threads:  # torch recomputes checkpointed layers in a thread of its own
                assert threads.submit(prefers_more_kernels, small).result()
        assert not prefers_more_kernels(small)


def test_networks_compute_the_same_with_more_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    config = ResnetConfig(ngf=4, blocks=2, upsampling="resize", antialias=True, skip_input=True)
    networks = [Resnet(config), PatchGAN(PatchGANConfig(ndf=4, antialias=True, receptive_field=34))]
    for network in networks:
        network.double().to(memory_format=torch.channels_last)
        x = torch.randn(2, 3, 40, 48, dtype=torch.float64).contiguous(memory_format=torch.channels_last)
        x.requires_grad_()
        inputs = [x, *(weight for weight in network.parameters() if weight.requires_grad)]
        output = network(x)
        grad_output = torch.randn_like(output)
        expected = [output, *torch.autograd.grad(output, inputs, grad_output)]
        with monkeypatch.context() as patch:
            for module in (padding, blurpool, instance_norm):
                patch.setattr(module, "prefers_more_kernels", lambda x: True)
            patch.setattr(instance_norm, "MIN_SIZE_BY_IMAGE", 0)
            output = network(x)
            names = {type(node).__name__ for node in graph_nodes(output)}
            found = [output, *torch.autograd.grad(output, inputs, grad_output)]
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)
        assert {"_BlurPoolBackward", "_InstanceNormByImageBackward"} <= names
        assert ("_ReflectionPadBackward" in names) == isinstance(network, Resnet)


def graph_nodes(output: Tensor) -> set[object]:
    """Return the nodes of the backward pass of ``output``."""
    seen: set[object] = set()
    open_nodes: list[object] = [output.grad_fn]
    while open_nodes:
        node = open_nodes.pop()
        if node is not None and node not in seen:
            seen.add(node)
            open_nodes += [parent for parent, _ in node.next_functions]  # type: ignore[attr-defined]
    return seen
