from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from i2i.images import read
from tests.conftest import write_random_images
from tests.evaluation.conftest import evaluated
from tests.training.test_trainer import start


def test_the_gallery_has_the_same_random_inputs_for_all_models_and_the_best_and_worst_of_each(
    paired: Path, changes: Callable[..., dict[str, Any]]
) -> None:
    write_random_images(paired / "test", 9, width=32, seed=5)
    start("pix2pix", changes(paired, steps=1), "one").train()
    start("pix2pix", changes(paired, steps=1, seed=1), "two").train()
    (result,) = evaluated("one", "two", gallery=True, seed=3).directions
    gallery = result.gallery
    assert gallery is not None
    titles = ["one (last, 1 step)", "two (last, 1 step)"]
    assert len(gallery.random) == 6
    assert all(list(item.outputs) == titles for item in gallery.random)
    name = gallery.random[0].name
    joined = read(paired / "test" / f"{name}.png")
    assert gallery.random[0].input == joined.crop((0, 0, 16, 16))
    assert gallery.random[0].target == joined.crop((16, 0, 32, 16))
    measurements = result.rows[1].measurements
    assert measurements is not None
    ranking = np.argsort(-measurements.per_image["psnr"])  # 16 pixels are too few for LPIPS
    assert [item.name for item in gallery.best[titles[0]]] == [result.image_names[k] for k in ranking[:4]]
    assert [item.name for item in gallery.worst[titles[0]]] == [result.image_names[k] for k in ranking[::-1][:4]]
    other = evaluated("one", "two", gallery=True, seed=4).directions[0].gallery
    assert other is not None
    assert [item.name for item in other.random] != [item.name for item in gallery.random]
