"""The sharpness of a photo: how much of the finest detail that its pixels can hold it has."""

import numpy as np

MAX_SIDE = 512  # pixels a side of the middle of the photo that is measured
COARSE_BAND = (0.12, 0.25)  # spatial frequencies, in cycles a pixel
FINE_BAND = (0.35, 0.5)


def estimate_sharpness(luma: np.ndarray) -> float:
    """Return the mean power of the finest detail relative to that of detail twice to three times as large.

    The power of natural images falls with the square of the spatial frequency (Field 1987): photos that are sharp at
    their size have 0.03 to 0.2. Enlargement and blur remove the finest detail: what was enlarged to twice its size by a
    bicubic filter, or blurred by a Gaussian filter with σ of 0.8 pixels, has 0.001 to 0.005. Noise adds fine detail.

    Args:
        luma: (H, W), in grey levels.

    Returns: 0 for an image of less than 16 pixels a side or of one colour.
    """
    if min(luma.shape) < 16:
        return 0.0
    top, left = (max(0, (side - MAX_SIDE) // 2) for side in luma.shape)
    middle = luma[top : top + MAX_SIDE, left : left + MAX_SIDE].astype(np.float32)
    window = np.outer(np.hanning(middle.shape[0]), np.hanning(middle.shape[1]))
    power = np.square(np.abs(np.fft.rfft2((middle - middle.mean()) * window)))
    frequencies = np.hypot(np.fft.fftfreq(middle.shape[0])[:, None], np.fft.rfftfreq(middle.shape[1])[None])
    coarse, fine = (
        float(power[(frequencies >= low) & (frequencies < high)].mean()) for low, high in (COARSE_BAND, FINE_BAND)
    )
    return fine / coarse if coarse > 1e-3 else 0.0
