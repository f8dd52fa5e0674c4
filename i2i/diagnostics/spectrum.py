"""Detection of checkerboard patterns from upsampling (Odena et al. 2016) by their frequencies."""

import torch
from torch import Tensor

TILE = 32  # pixels of a row or column in one Fourier transform
PERIODS = {4: (8, (5, 11)), 2: (16, (13,))}  # period in pixels → (its bin in the spectrum, neighbouring bins)


def checkerboard(output: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Measure how far a grid of period 2 or 4, from one or two upsamplings by 2, stands out of ``output``.

    Args:
        output: (N, C, H, W) in [-1, 1].
        real: real images (N, C, H, W) in [-1, 1]. Their textures and JPEG blocks do not count as a grid.

    Returns: two scalars, both NaN for images below 32 pixels.
        The ratio of the power at the period to the power at neighbouring frequencies, relative to the same ratio of
        ``real``; the larger of both periods.
        The amplitude above that of ``real``, as root mean square along rows and columns, in grey levels. Below 2 it is
        invisible.
    """
    if min(*output.shape[2:], *real.shape[2:]) < TILE:
        return output.new_tensor(torch.nan), output.new_tensor(torch.nan)
    output_power = _spectrum(output)
    real_power = _spectrum(real)
    ratios = []
    excesses = []
    for period, (peak, neighbours) in PERIODS.items():
        output_floor = output_power[list(neighbours)].log().mean().exp()
        real_floor = real_power[list(neighbours)].log().mean().exp()
        real_ratio = real_power[peak] / real_floor
        ratios.append(output_power[peak] / output_floor / real_ratio)
        excesses.append((output_power[peak] - output_floor * real_ratio).clamp(min=0) * period / 2)
    # A wave of amplitude a under a Hann window has power (aT/4)² and mean square a²/2; at period 2, (aT/2)² and a².
    return torch.stack(ratios).amax(), torch.stack(excesses).sum().mul(4).sqrt() / TILE * 127.5


def _spectrum(images: Tensor) -> Tensor:
    """Return the mean power (17,) of each frequency along rows and columns, in half-overlapping Hann windows."""
    window = torch.hann_window(TILE, device=images.device)
    total = images.new_zeros(TILE // 2 + 1)
    for lines in (images, images.transpose(2, 3)):
        tiles = lines.unfold(3, TILE, TILE // 2)
        spectra = torch.fft.rfft((tiles - tiles.mean(-1, keepdim=True)) * window)
        total = total + spectra.abs().square().flatten(0, -2).mean(0)
    return total / 2 + 1e-9  # the power of a uniform image is 0
