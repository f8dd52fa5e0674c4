"""Tiny datasets, settings and photos, and the environment of the commands."""

import json
import os
from pathlib import Path
from typing import Any

from i2i.recipes import find_recipe
from tests.conftest import SIZE, TINY_NETWORKS, random_image, write_random_images

STEPS = 5
METHODS = {"cyclegan": "two", "pix2pix": "pairs", "regression": "clean", "cut": "two", "gan": "clean"}
_RESNET = {"network": "resnet", "blocks": 1, "dropout": 0.5, **TINY_NETWORKS["generator"]}
_RESTORER = {"network": "restorer", "width": 4, "depth": 1}


def write_datasets(folder: Path) -> None:
    """Write an unpaired dataset, a paired one and one of clean photos into ``folder``."""
    for seed, (name, count) in enumerate({"trainA": 5, "trainB": 4, "testA": 3, "testB": 3}.items()):
        write_random_images(folder / "two" / name, count, seed=seed)
    for seed, (name, count) in enumerate({"train": 5, "test": 3}.items()):
        write_random_images(folder / "pairs" / name, count, width=2 * SIZE, seed=10 + seed)
    for seed, (name, count) in enumerate({"train": 5, "val": 3, "test": 3}.items()):
        write_random_images(folder / "clean" / name, count, width=SIZE, seed=20 + seed)


def write_photos(folder: Path) -> None:
    """Write photos of several formats to convert, one of them in a subfolder."""
    (folder / "sub").mkdir(parents=True)
    for index, name in enumerate(("a.png", "b.jpg", "sub/c.webp", "d.tif")):
        random_image(40 + index, 20 + index, 18).save(folder / name)


def settings(method: str) -> dict[str, Any]:
    """Return all settings of a tiny training, as ``--config`` reads them."""
    recipe = find_recipe(method, None)
    training = {
        "steps": STEPS, "ema": 0.9, "precision": "float32", "sample_every": 3, "log_every": 1, "device": "cpu",
        "snapshot_every": 3, "save_every_minutes": 0.0, "workers": 0, "batch_size": 1,
    }  # fmt: skip
    data: dict[str, Any] = {"data": METHODS[method], "size": SIZE}
    model: dict[str, Any] = {"discriminator": TINY_NETWORKS["discriminator"]}
    if method == "regression":
        data["task"] = {"task": "denoise"}
        model = {"generator": _RESTORER}
        training |= {"best_metric": "psnr", "eval_every": 2, "eval_images": 2}
    elif method == "gan":
        model = {"networks": {"generator": {"ngf": 2}, "discriminator": {"ndf": 2}}}
        training["batch_size"] = 2
    else:
        data["resize_scale"] = 18 / 16
        model["generator"] = _RESNET
    if method == "cyclegan":
        model["pool_size"] = 3
    if method == "cut":
        model["nce_layers"] = "0,4,8,12"
    if method == "pix2pix":
        training |= {"best_metric": "psnr", "eval_every": 2, "eval_images": 2}
    return recipe.with_overrides({"data": data, "model": model, "training": training}).to_json()


def write_settings(folder: Path, method: str) -> Path:
    """Write the settings of a tiny training into a file, and return its path."""
    path = folder / f"{method}.json"
    path.write_text(json.dumps(settings(method)))
    return path


def use_environment(shared: Path) -> None:
    """Let the commands find the datasets in ``shared``; runs go below the working directory."""
    os.environ |= {
        "I2I_DATASETS": str(shared / "datasets"), "I2I_CACHE": str(shared / "cache"), "I2I_CHECKPOINTS": "checkpoints",
        "COLUMNS": "200", "no_proxy": "127.0.0.1,localhost", "https_proxy": "http://127.0.0.1:9",  # no downloads
        "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    os.environ.pop("I2I_WEIGHTS", None)
