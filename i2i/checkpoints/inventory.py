"""What the folder of the runs holds: models with their date, size on disk and best result."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from i2i.checkpoints.log import read_log
from i2i.checkpoints.model_file import load_model_info, model_files
from i2i.checkpoints.model_info import HIGHER_IS_BETTER, BestMetric, ModelInfo
from i2i.checkpoints.shipped import is_shipped, shipped_model_files
from i2i.directions import SAMPLE, Direction
from i2i.errors import ModelFileError

LOGGED_METRICS = ("lpips", "psnr", "ssim", "kid")  # of validations; the first one in a log ranks its steps


@dataclass(frozen=True)
class StoredModel:
    """A run with a model file, or a shipped model.

    Attributes:
        name: the name under which every command accepts it.
        path: the model file of the last checkpoint.
        info: its metadata.
        shipped: whether it comes with i2i.
        hides_shipped: whether a shipped model has the same name, which this run hides.
        date: when the model file was written; None for a shipped model, whose file has the date of the installation.
        num_bytes: size on disk of the run's folder.
        best: the best result of the validations, with the keys of ``BestMetric.to_json`` that are known; None if the
            run was not validated.
    """

    name: str
    path: Path
    info: ModelInfo
    shipped: bool
    hides_shipped: bool
    date: datetime | None
    num_bytes: int
    best: Mapping[str, Any] | None


def stored_models() -> Iterator[StoredModel | ModelFileError]:
    """Yield the models of ``model_files``; for an unreadable model file, the error."""
    shipped_names = shipped_model_files().keys()
    for name, path in model_files().items():
        try:
            info = load_model_info(path)
        except ModelFileError as error:
            yield error
            continue
        shipped = is_shipped(path.parent)
        date = None if shipped else datetime.fromtimestamp(path.stat().st_mtime).astimezone()
        yield StoredModel(
            name=name,
            path=path,
            info=info,
            shipped=shipped,
            hides_shipped=not shipped and name in shipped_names,
            date=date,
            num_bytes=folder_size(path.parent),
            best=best_result(path.parent),
        )


def folder_size(folder: Path) -> int:
    """Return the bytes of the files below a folder. Links inside it count as such; their targets do not."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += Path(parent, name).lstat().st_size
            except FileNotFoundError:  # a temporary file of a training that is running
                continue
    return total


def best_result(folder: Path) -> dict[str, Any] | None:
    """Return the best result of the validations of a run: that of ``best.safetensors``, else the best of its log.

    Returns: a table with "metric", "value" and "steps", from ``best.safetensors`` also "split" and "images".
    """
    path = folder / "best.safetensors"
    if path.is_file():
        try:
            best = load_model_info(path).best
        except ModelFileError:
            best = None
        if best is not None:
            return best.to_json()
    results = list(_logged_results(folder))
    if not results:
        return None
    higher = results[0].metric in HIGHER_IS_BETTER
    best = (max if higher else min)(results, key=lambda result: result.value)
    return {"metric": best.metric, "value": best.value, "steps": best.step}


def _logged_results(folder: Path) -> Iterator[BestMetric]:
    """Yield the result of each validation in a run's log: the first metric of LOGGED_METRICS, mean over directions."""
    rows = read_log(folder)
    names = {name for row in rows for name in row}
    directions = (*Direction, SAMPLE)  # losses of the same name have a player in their place: "G/lpips"
    metric = next((metric for metric in LOGGED_METRICS if names & {f"{way}/{metric}" for way in directions}), None)
    for row in rows if metric else []:
        values = [row[name] for way in directions if isinstance(row.get(name := f"{way}/{metric}"), float)]
        if values and isinstance(row.get("step"), int):
            yield BestMetric(str(metric), fmean(values), row["step"], "", ())
