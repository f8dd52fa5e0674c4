import numpy as np
import torch

from i2i.images import labelled_grid, sample_grid


def test_a_grid_has_a_row_for_each_image_and_a_column_for_each_title() -> None:
    dark = torch.full((3, 3, 8, 10), -1.0)
    light = torch.full((3, 3, 8, 10), 1.0)
    image = sample_grid({"a": dark, "b": light, "c": dark})
    assert image.size == (3 * 10 + 2 * 2, 14 + 3 * (8 + 2))
    pixels = np.asarray(image)
    for row in range(3):
        top = 14 + row * 10
        for column, value in enumerate((0, 255, 0)):
            assert (pixels[top : top + 8, column * 12 : column * 12 + 10] == value).all()
        assert (pixels[top + 8 : top + 10] == 255).all()  # the gap


def test_titles_are_drawn_above_the_images() -> None:
    cell = np.zeros((1, 64, 96, 3), dtype=np.uint8)
    pixels = np.asarray(labelled_grid([cell, cell], ["input", "translation"]))
    assert (pixels[14:78, :96] == 0).all()
    assert (pixels[:14] < 128).any()


def test_a_title_wider_than_its_column_is_broken_into_lines() -> None:
    cell = np.zeros((1, 64, 64, 3), dtype=np.uint8)
    pixels = np.asarray(labelled_grid([cell, cell], ["A (channel 1 red, 2 cyan)", "B"]))
    height = pixels.shape[0] - 66
    assert height % 14 == 0
    assert height > 14
    assert (pixels[:height, 64:66] == 255).all()  # the gap
    assert (pixels[14:height, 66:] == 255).all()
