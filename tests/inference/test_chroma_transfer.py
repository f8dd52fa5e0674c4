import numpy as np
from PIL import Image

from i2i.inference.chroma_transfer import transfer_chroma
from i2i.restoration.colorize import to_grayscale


def test_chroma_transfer_keeps_the_lightness_and_the_edges_of_the_photo() -> None:
    photo = np.full((200, 320, 3), 60, np.uint8)
    photo[:, 133:] = 180
    small = np.zeros((20, 32, 3), np.uint8)
    small[:, :13], small[:, 13:] = (90, 50, 40), (150, 185, 210)
    small[:, 13] = np.array([(131, 135, 143)])  # where the copy has both
    result = np.asarray(transfer_chroma(Image.fromarray(photo), Image.fromarray(small))).astype(int)
    assert np.ptp(result[:, :, 0] - result[:, :, 2], axis=0).max() == 0
    warm = result[100, :, 0] - result[100, :, 2]
    assert (warm[:100] > 25).all()
    assert (warm[170:] < -30).all()
    assert warm[132] > 8 > -8 > warm[134], "the colour changes at the edge of the photo, not gradually"
    luminance = to_grayscale(result.astype(np.uint8))[..., 0].astype(int)
    assert np.abs(luminance - photo[..., 0]).max() <= 2


def test_a_photo_of_the_size_of_its_copy_gets_the_colours_of_the_copy() -> None:
    small = np.full((40, 40, 3), 110, np.uint8)
    small[10:16, 10:16] = (205, 78, 72)
    photo = to_grayscale(small)
    result = np.asarray(transfer_chroma(Image.fromarray(photo), Image.fromarray(small))).astype(int)
    assert np.abs(result - small).max() <= 2


def test_no_colour_is_more_saturated_than_those_of_the_copy_around_it() -> None:
    small = np.zeros((20, 40, 3), np.uint8)
    small[:, :20], small[:, 20:] = (90, 100, 168), (170, 130, 60)  # blue and dark beside orange and lighter
    photo = np.repeat(np.repeat(to_grayscale(small), 10, 0), 10, 1)
    photo[::16, ::16] = 220  # specks lighter than either
    result = np.asarray(transfer_chroma(Image.fromarray(photo), Image.fromarray(small))).astype(int)
    specks = result[::16, :170:16]  # up to 30 pixels from the edge, which is as far as the filter sees
    assert (specks[..., 2] - specks[..., 0] > 10).all(), "specks on blue are bluish"
