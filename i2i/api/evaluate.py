"""``i2i.evaluate``: evaluate models from Python."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from i2i import reports
from i2i.arguments import PathLike, check_types, refuse_unknown, to_device_name, to_paths
from i2i.data.layout import LayoutName
from i2i.data.resize import ResizeMode
from i2i.data.source import DataSource
from i2i.device import Precision
from i2i.errors import I2IError
from i2i.evaluation import evaluate as evaluation
from i2i.evaluation.evaluate import Evaluation
from i2i.evaluation.metric_specs import parse_thresholds
from i2i.evaluation.models import CheckpointChoice
from i2i.evaluation.options import EvaluationOptions
from i2i.inference.options import InferenceOptions

if TYPE_CHECKING:
    import torch

Thresholds = Mapping[str, float] | Sequence[str]
Progress = Callable[[str, int, int], None]


def evaluate(
    models: PathLike | Sequence[PathLike],
    *,
    data: PathLike | None = None,
    layout: LayoutName = "auto",
    data_a: PathLike | None = None,
    data_b: PathLike | None = None,
    test_a: PathLike | None = None,
    test_b: PathLike | None = None,
    pairs: tuple[PathLike, PathLike] | None = None,
    pair_suffixes: tuple[str, str] | None = None,
    stack: str = "",
    direction: str | None = None,
    report: PathLike | None = None,
    fail_under: Thresholds = (),
    fail_over: Thresholds = (),
    rank_by: str | None = None,
    checkpoint: CheckpointChoice = "both",
    split: str | None = None,
    max_images: int | None = None,
    size: int | None = None,
    resize: ResizeMode | None = None,
    value_range: tuple[float, float] | None = None,
    cycle: bool = True,
    seed: int = 0,
    votes_file: PathLike | None = None,
    degradation_level: float | None = None,
    device: "str | torch.device" = "auto",
    precision: Precision = "auto",
    progress: Progress = lambda text, done, total: None,
    **unknown: Any,
) -> Evaluation:
    """Evaluate and compare models on test images, as ``i2i evaluate`` does.

    Args:
        models: one or several: names of runs, paths of runs or of model files, or "identity".
        data: the dataset, by name or path; by default the first model's training dataset.
        layout: how the folders are laid out; "auto" detects it.
        data_a: folder of the images A, with ``data_b`` instead of ``data``.
        data_b: folder of the images B.
        test_a: folder of the test images A, beside ``data_a``.
        test_b: folder of the test images B.
        pairs: folders of the inputs and of the targets, paired by name, instead of ``data``.
        pair_suffixes: ends of the names of the two images of a pair, such as ("_in", "_out").
        stack: files that form one image of several channels, such as "{stem}_{B02,B03,B04}.tif".
        direction: "AtoB", "BtoA" or "sample"; by default all that the models have.
        report: an HTML report to write.
        fail_under: such as {"psnr": 24}: raise I2IError if a model has less.
        fail_over: such as {"fid": 80}: raise I2IError if a model has more.
        rank_by: metric that orders the models; by default LPIPS or PSNR with targets, else KID.
        checkpoint: which checkpoints of a run to evaluate.
        split: of the dataset; by default test, else val.
        max_images: largest number of images of each domain; by default all.
        size: resize images to this many pixels a side; 0: no resizing; by default the largest training size.
        resize: "stretch" to a square or "cover"; by default as in training.
        value_range: values of black and white, such as (0, 4095), for images of a type that can hold them; by default
            those of the models' training, else of the dataset.
        cycle: whether to measure the error after translation there and back.
        seed: of the intervals, and of the images in the report.
        votes_file: votes of the demo's blind test.
        degradation_level: strength of the degradation, for restoration models.
        device: "auto", or a torch device or its name.
        precision: of the models: "auto", "float32" or "bfloat16".
        progress: called with a text, the number of images done, and of all images.
        unknown: none: any other name is an error.

    Returns: the evaluation. ``rows`` holds a dict for each row of its tables; printed, it is the tables.

    Raises:
        ArgumentTypeError: a TypeError: there is no such argument, or it has another type.
        UsageError: the models, the dataset or the options are not usable.
        I2IError: a model is beyond a limit.

    >>> result = i2i.evaluate("facades-pix2pix", max_images=50)  # doctest: +SKIP
    >>> [(row["name"], row["psnr"]) for row in result.rows]  # doctest: +SKIP
    [('facades-pix2pix', 13.1), ('identity', 9.8)]
    """
    known = set(evaluate.__annotations__) - {"unknown", "return"}
    refuse_unknown("evaluate", unknown, known, {"strength": "degradation_level"})
    check_types(evaluate, locals())
    thresholds = parse_thresholds(_texts(fail_under), _texts(fail_over))
    if report is not None:
        reports.check_path(Path(report))
    source = DataSource(
        data=_text(data), data_a=_text(data_a), data_b=_text(data_b), test_a=_text(test_a), test_b=_text(test_b),
        pairs=(_text(pairs[0]), _text(pairs[1])) if pairs else None, layout=layout, pair_suffixes=pair_suffixes,
        stack=stack,
    )  # fmt: skip
    options = EvaluationOptions(
        models=[str(path) for path in to_paths(models, "models")],
        data=source,
        direction=direction,
        split=split,
        max_images=None if max_images is None else int(max_images),
        size=None if size is None else int(size),
        resize=resize,
        value_range=value_range,
        rank_by=rank_by,
        checkpoint=checkpoint,
        cycle=cycle,
        seed=int(seed),
        gallery=report is not None,
        inference=InferenceOptions(to_device_name(device), precision),
        votes_file=Path(votes_file) if votes_file is not None else None,
        strength=degradation_level,
    )
    result = evaluation.evaluate(options, progress)
    if report is not None:
        reports.write(result, Path(report))
    if violations := result.threshold_violations(thresholds):
        raise I2IError("\n".join(violations))
    return result


def _text(path: PathLike | None) -> str:
    return "" if path is None else os.fspath(path)


def _texts(thresholds: Thresholds) -> list[str]:
    """Return limits as the values of ``--fail-under`` and ``--fail-over``."""
    if isinstance(thresholds, Mapping):
        return [f"{metric}={bound}" for metric, bound in thresholds.items()]
    return [thresholds] if isinstance(thresholds, str) else list(thresholds)
