"""The grid that upsampling leaves on pictures (Odena et al. 2016), found by its frequencies."""

import torch
from torch import Tensor

TILE = 32  # pixels of a row or column that are transformed at once
PERIODS = {4: (8, (5, 11)), 2: (16, (13,))}  # pixels: (bin of the tile's spectrum, neighbouring bins)


def checkerboard(output: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """How far a grid of period 2 or 4, that of one or two upsamplings by 2, stands out from ``output``.

    output, real: (N, 3, H, W) in [-1, 1]. First the power at the period over that at its neighbours, as a multiple of
    the same in ``real``, whose own textures and JPEG blocks so do not count; the larger of both periods. Then what is
    above the real pictures' share, as root mean square along rows and columns, in grey levels: below 2 nobody sees it.
    Both NaN for pictures of less than 32 pixels.
    """
    if min(*output.shape[2:], *real.shape[2:]) < TILE:
        return output.new_tensor(torch.nan), output.new_tensor(torch.nan)
    powers, expected = _spectrum(output), _spectrum(real)
    multiples, above = [], []
    for period, (peak, neighbours) in PERIODS.items():
        around, usual = (each[list(neighbours)].log().mean().exp() for each in (powers, expected))
        share = expected[peak] / usual
        multiples.append(powers[peak] / around / share)
        above.append((powers[peak] - around * share).clamp(min=0) * period / 2)
    # A wave of amplitude a under a Hann window has power (aT/4)² and mean square a²/2; at period 2, (aT/2)² and a².
    return torch.stack(multiples).amax(), torch.stack(above).sum().mul(4).sqrt() / TILE * 127.5


def _spectrum(pictures: Tensor) -> Tensor:
    """(17,): mean power of each frequency along rows and columns, in tiles under a Hann window that overlap by half."""
    window = torch.hann_window(TILE, device=pictures.device)
    total = pictures.new_zeros(TILE // 2 + 1)
    for lines in (pictures, pictures.transpose(2, 3)):
        tiles = lines.unfold(3, TILE, TILE // 2)
        waves = torch.fft.rfft((tiles - tiles.mean(-1, keepdim=True)) * window)
        total = total + waves.abs().square().flatten(0, -2).mean(0)
    return total / 2 + 1e-9  # a flat picture has none
