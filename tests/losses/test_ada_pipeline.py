"""The pipeline "bgc" of ADA, operation by operation."""

import math

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from i2i.losses.ada_pipeline import AffineParams, apply_affine, sample_affine
from i2i.losses.adversarial import AdversarialConfig, AdversarialLoss
from i2i.losses.augment import AdaptivePipeline, apply_params
from i2i.losses.discriminator_input import AugmentedDiscriminator
from i2i.losses.gan_losses import r1


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def images(count: int = 2, channels: int = 3, height: int = 8, width: int = 8) -> Tensor:
    return torch.rand(count, channels, height, width, dtype=torch.float64) * 2 - 1


def params(warp: list[list[float]] | None = None, colour: Tensor | None = None) -> AffineParams:
    matrix = torch.eye(3) if warp is None else torch.tensor(warp)
    return AffineParams(matrix[None], (torch.eye(4) if colour is None else colour)[None])


def test_without_operations_nothing_changes() -> None:
    x = images(5, 3, 8, 12)
    sampled = sample_affine(x, torch.zeros(()))
    assert torch.equal(sampled.warp, torch.eye(3).expand(5, 3, 3))
    torch.testing.assert_close(sampled.colour, torch.eye(4).expand(5, 4, 4))
    torch.testing.assert_close(apply_affine(x, sampled, (3,)), x, rtol=0, atol=1e-5)


def test_a_warp_maps_positions_of_the_result_to_those_of_the_image() -> None:
    x = images(1)
    mirrored = apply_affine(x, params([[-1.0, 0, 0], [0, 1, 0], [0, 0, 1]]), (3,))
    torch.testing.assert_close(mirrored, x.flip(3), rtol=0, atol=1e-5)
    turned = apply_affine(x, params([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]), (3,))
    torch.testing.assert_close(turned, torch.rot90(x, -1, (2, 3)), rtol=0, atol=1e-5)
    shifted = apply_affine(x, params([[1.0, 0, -2], [0, 1, 1], [0, 0, 1]]), (3,))  # 2 pixels right and 1 up
    torch.testing.assert_close(shifted[..., :-1, 2:], x[..., 1:, :-2], rtol=0, atol=1e-5)
    torch.testing.assert_close(shifted[..., -1, 2:], x[..., -1, :-2], rtol=0, atol=1e-5, msg="reflected at the edge")


def test_each_operation_has_its_probability_and_its_range() -> None:
    def warps(p: float) -> AffineParams:
        return sample_affine(torch.zeros(4000, 3, 16, 32), torch.tensor(p))

    some, all_of_them = warps(0.2), warps(1.0)
    mirrored = torch.linalg.det(all_of_them.warp) < 0
    assert 0.45 < mirrored.float().mean() < 0.55, "half of the flips are none"
    assert 0.08 < (torch.linalg.det(some.warp) < 0).float().mean() < 0.12
    untouched = (some.warp == torch.eye(3)).flatten(1).all(1).float().mean()
    # flip, turn, whole shift, scale, two rotations (together 0.2), stretch, fractional shift
    identity = (0.9) * (0.85) * 0.8**5
    assert untouched == pytest.approx(identity, abs=0.03)
    octaves = torch.linalg.det(all_of_them.warp).abs().log2()  # of the area, of which the stretch keeps the size
    assert octaves.std() == pytest.approx(2 * 0.2, rel=0.1)
    gains = torch.linalg.det(all_of_them.colour[:, :3, :3]).abs().log2()
    assert gains.std() == pytest.approx(math.hypot(3 * 0.5, 2 * 1.0), rel=0.1)  # contrast³ · saturation²
    luma = torch.tensor([1.0, 1, 1]) / 3
    grey = all_of_them.colour[:, :3, :3].sum(2)  # of the colour (1, 1, 1)
    torch.testing.assert_close(grey, (grey @ luma)[:, None].expand(-1, 3), msg="grey stays grey")
    assert 0.45 < ((grey @ luma) < 0).float().mean() < 0.55, "half of the luma flips are none"
    added = all_of_them.colour[:, :3, 3].mean(1).abs()
    assert 0.1 < added.median() < 0.2


def test_colours_are_mixed_by_the_matrix_and_other_channels_get_its_mean() -> None:
    x, matrix = images(1, 4), torch.eye(4) + 0.1 * torch.randn(4, 4)
    matrix[3] = torch.tensor([0.0, 0, 0, 1])
    result = apply_affine(x, params(colour=matrix), (1, 3))
    expected = torch.einsum("ij,njhw->nihw", matrix[:3, :3].double(), x[:, 1:]) + matrix[:3, 3].double().view(3, 1, 1)
    torch.testing.assert_close(result[:, 1:], expected, rtol=0, atol=1e-5)
    gain, offset = float(matrix[:3, :3].sum() / 3), float(matrix[:3, 3].mean())
    torch.testing.assert_close(result[:, :1], gain * x[:, :1] + offset, rtol=0, atol=1e-5)


def test_condition_and_image_get_the_same_operations() -> None:
    a, b = images(3), images(3)
    sampled = sample_affine(a, torch.ones(()))
    joint = apply_params(torch.cat([a, b], 1), sampled, (3, 3))
    torch.testing.assert_close(joint, torch.cat([apply_affine(x, sampled, (3,)) for x in (a, b)], 1))


def test_it_has_first_and_second_derivatives() -> None:
    x = images(1, 3, 4, 4).requires_grad_()
    sampled = sample_affine(x, torch.ones(()))
    assert gradcheck(lambda x: apply_affine(x, sampled, (3,)), x)
    assert gradgradcheck(lambda x: apply_affine(x, sampled, (3,)).square(), x)


def test_r1_reaches_the_weights_of_the_discriminator_through_it() -> None:
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Tanh(), torch.nn.Conv2d(4, 1, 3))
    augment = AdversarialLoss(AdversarialConfig(loss="hinge", augment="ada-bgc", r1=1.0)).build_augment()
    assert isinstance(augment, AdaptivePipeline)
    augment.p.fill_(1.0)
    r1(AugmentedDiscriminator(network, augment), images().float()).backward()
    assert network[0].weight.grad.abs().sum() > 0


def test_images_keep_their_dtype() -> None:
    x = images(2).bfloat16()
    assert apply_affine(x, sample_affine(x, torch.ones(())), (3,)).dtype == torch.bfloat16
