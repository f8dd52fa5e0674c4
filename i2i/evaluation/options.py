"""Options of an evaluation."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from i2i.config import require
from i2i.data.resize import ResizeMode
from i2i.data.source import DataSource
from i2i.errors import UsageError
from i2i.evaluation.metric_specs import METRICS
from i2i.evaluation.models import CheckpointChoice
from i2i.inference.options import InferenceOptions


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """Options of an evaluation: models, images and metrics.

    Args:
        models: runs' names, paths of model files, or "identity".
        data: a dataset, by name, path or source; None for the first model's training dataset.
        direction: None for all that the models have.
        split: None for test, else val.
        max_images: of each domain; None for all.
        size: side in pixels to which all images are resized; 0 keeps them as they are; None for the largest training
            size among the models.
        resize: None for the models' mode in training.
        value_range: values of black and white of the images that can hold them; None for those of the models' training,
            else of the dataset.
        rank_by: a metric; None for LPIPS or PSNR if there are targets, else KID.
        checkpoint: which checkpoints of a run.
        cycle: whether to measure the cycle error.
        seed: of the intervals and of the gallery's choice.
        gallery: whether to keep images for a report.
        votes_file: of the demo's blind test; None for the default file.
        strength: of the degradation, for restoration models; None for the middle of its range.
        inference: how the models are run.
    """

    models: Sequence[str]
    data: str | DataSource | None = None
    direction: str | None = None
    split: str | None = None
    max_images: int | None = None
    size: int | None = None
    resize: ResizeMode | None = None
    value_range: tuple[float, float] | None = None
    rank_by: str | None = None
    checkpoint: CheckpointChoice = "both"
    cycle: bool = True
    seed: int = 0
    gallery: bool = False
    votes_file: Path | None = None
    strength: float | None = None
    inference: InferenceOptions = field(default_factory=InferenceOptions)

    def __post_init__(self) -> None:
        if not self.models:
            raise UsageError("No model was named. Name at least one, or identity.")
        rankable = [spec.name for spec in METRICS.values() if spec.better != "neither"]
        require(
            self.rank_by is None or self.rank_by in rankable, "rank_by", self.rank_by, f"one of {', '.join(rankable)}"
        )
        require(self.max_images is None or self.max_images >= 2, "max_images", self.max_images, "2 or above")
        require(self.seed >= 0, "seed", self.seed, "0 or above")
        is_valid_size = self.size is None or self.size == 0 or 8 <= self.size <= 8192
        require(is_valid_size, "size", self.size, "0 (as they are) or from 8 to 8192")
