"""The image pairs of the blind test: translations and the real images that they are compared with."""

import random
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from i2i.checkpoints.model_file import find_model_file
from i2i.checkpoints.model_info import ModelInfo
from i2i.data.layout import Kind
from i2i.data.source import DataSource
from i2i.data.value_ranges import NO_RANGES, DomainRanges
from i2i.directions import describe_direction
from i2i.errors import I2IError, ImageError, UsageError
from i2i.evaluation.eval_set import EvalSet, build_eval_set
from i2i.evaluation.training_data import needed_kind, training_source
from i2i.evaluation.transforms import Degradation, ResizePolicy
from i2i.images import encode
from i2i.images.folders import real_path
from i2i.images.pixel_format import RGB_FORMATS, DomainFormats
from i2i.inference.restoration import superres_scale, task_of

MIN_RESTORATION_SIDE = 256  # pixels a side of the centre crop on which restoration models are compared
TranslateFunction = Callable[[str, str, Image.Image], Image.Image]  # (model, direction, image) -> translation


@dataclass(frozen=True)
class Candidate:
    """A direction of a model that can take part in a blind test.

    Attributes:
        model: the model's name.
        direction: "AtoB" or "BtoA".
        dataset: the name of the dataset it was trained on.
        task_name: the restoration task with its scale, or "".
        size: pixels a side of the images.
        resize: how the training resized its images.
        task: the restoration task, or None.
        source: where the dataset is.
        kind: the kind of data that the model was trained on.
        enlarges_pairs: whether the model learnt super-resolution from pairs.
        formats: of the images A and B.
        ranges: black and white of the images A and B, by sample type.
    """

    model: str
    direction: str
    dataset: str
    task_name: str
    size: int
    resize: str
    task: Any = None
    source: DataSource | None = None
    kind: Kind | None = None
    enlarges_pairs: bool = False
    formats: DomainFormats = RGB_FORMATS
    ranges: DomainRanges = NO_RANGES

    @property
    def title(self) -> str:
        """A title such as "stripes-cyclegan, A to B (stripes)"."""
        return f"{self.model}, {describe_direction(self.direction)} ({self.dataset})"

    def opponents(self, candidates: Iterable["Candidate"]) -> list["Candidate"]:
        """Return the candidates of other models that translate the same images in the same way."""
        return [other for other in candidates if other.model != self.model and other._problem == self._problem]

    @property
    def _problem(self) -> tuple[Any, ...]:
        return self.direction, self.dataset, self.task_name, self.formats

    def images(self, size: int) -> EvalSet:
        """Return the test images at ``size`` × ``size`` pixels.

        Raises:
            UsageError: the dataset is missing, has no test images or too few.
        """
        if self.source is None or self.source.folder is None:
            raise UsageError(f"The dataset {self.dataset} is no longer on this machine.")
        degradation = Degradation(self.task, self.task.mid_strength()) if self.task is not None else None
        size = 0 if self.enlarges_pairs else size  # the images of super-resolution pairs keep their sizes
        resize = ResizePolicy(size, "cover" if self.resize == "cover" or degradation else "stretch")
        try:
            return build_eval_set(
                self.source.load(self.kind, download=False),
                self.direction,
                split=None,
                max_images=None,
                resize=resize,
                degradation=degradation,
                ranges=self.ranges,
                formats=self.formats,
            )
        except I2IError as error:  # without the folder's path, which visitors need not know
            raise UsageError(_without_paths(str(error), self.source.folder, self.dataset)) from error


def find_candidates(models: Mapping[str, ModelInfo]) -> tuple[list[Candidate], list[str]]:
    """Return the candidates among models, and for each unsuitable model a sentence with the reason.

    Args:
        models: the metadata of the model files, by the name of the model.
    """
    candidates: list[Candidate] = []
    reasons: list[str] = []
    for model, info in models.items():
        try:
            candidates += _candidates_of(model, info)
        except I2IError as error:
            reasons.append(f"{model}: {str(error).rstrip('.')}.")
    return candidates, reasons


def _candidates_of(model: str, info: ModelInfo) -> list[Candidate]:
    """Return a candidate for each direction of a model. Raise I2IError if its test images are not available."""
    dataset = info.data.name
    size = info.size
    task = None
    task_name = ""
    if info.task is not None:
        task = task_of(model, info)
        task_name = f"{info.task_name} ×{task.scale}"
        size = max(size, MIN_RESTORATION_SIDE)
    enlarges_pairs = task is None and superres_scale(info) > 1
    if enlarges_pairs:
        task_name = f"superres ×{superres_scale(info)}"
    source = training_source(info, _model_path(model))
    if source.folder is None:
        raise UsageError(
            f"the model was trained on {dataset or 'a dataset without a name'}, which is not on this machine. Put the "
            "dataset into datasets/, or into a folder of $I2I_DATASETS: the blind test needs its test images"
        )
    candidates = [
        Candidate(
            model=model,
            direction=direction,
            dataset=dataset,
            task_name=task_name,
            size=size,
            resize=info.resize,
            task=task,
            source=source,
            kind=needed_kind(info),
            enlarges_pairs=enlarges_pairs,
            formats=info.formats,
            ranges=info.value_ranges,
        )
        for direction in info.directions
    ]
    for candidate in candidates:
        candidate.images(candidate.size)
    return candidates


def _model_path(model: str) -> Path | None:
    try:
        return find_model_file(model)
    except I2IError:
        return None


def _without_paths(message: str, folder: Path, dataset: str) -> str:
    """Return a message with the dataset's name in place of its folder, which visitors need not know."""
    for path in (folder, real_path(folder), real_path(folder).parent):
        message = message.replace(str(path), dataset)
    return message


class ShuffledIndices:
    """Indices below ``count`` in random order; each comes once before any comes again."""

    def __init__(self, count: int, rng: random.Random) -> None:
        self.count = count
        self.rng = rng
        self._remaining = list[int]()

    def draw(self) -> int:
        """Return the next index."""
        if not self._remaining:
            self._remaining = self.rng.sample(range(self.count), self.count)
        return self._remaining.pop()


class PairSampler:
    """The image pairs of one session.

    Without an opponent, the translation is paired with a real image: the input's target if there is one, otherwise any
    real image of the same domain. With an opponent, two translations of the same input are paired.

    Args:
        candidate: the model under test.
        opponent: the model to compare it with, or None.
        translate: translates an image with a model.
        rng: the random generator; None is the system's.

    Raises:
        UsageError: the test images are missing.
    """

    def __init__(
        self,
        candidate: Candidate,
        opponent: Candidate | None,
        translate: TranslateFunction,
        rng: random.Random | None = None,
    ) -> None:
        self.candidate = candidate
        self.opponent = opponent
        self.translate = translate
        images = candidate.images(max(candidate.size, opponent.size if opponent else 0))
        assert images.inputs is not None  # only generators that take noise have no inputs
        self.inputs = images.inputs
        self.real = images.real
        self.paired = images.paired
        generator = rng or secrets.SystemRandom()
        self._input_indices = ShuffledIndices(len(self.inputs), generator)
        self._real_indices = ShuffledIndices(len(self.real), generator)

    def draw(self) -> int:
        """Return the index of the next input."""
        return self._input_indices.draw()

    def name(self, index: int) -> str:
        """Return the file name of an input."""
        return self.inputs.name(index)

    def pair(self, index: int) -> tuple[Image.Image, Image.Image]:
        """Return the candidate's translation of an input and the image to compare it with."""
        translation = self._translation(self.candidate, index)
        if self.opponent is not None:
            return translation, self._translation(self.opponent, index)
        return translation, self.real[index if self.paired else self._real_indices.draw()]

    def _translation(self, candidate: Candidate, index: int) -> Image.Image:
        return self.translate(candidate.model, candidate.direction, self.inputs[index])


def side_by_side(left: Image.Image, right: Image.Image) -> bytes:
    """Return two images as the halves of one PNG, so that file name, length and loading time reveal nothing.

    Raises:
        ImageError: the sizes differ, which would give the translation away.
    """
    if left.size != right.size:
        raise ImageError(f"The two images differ in size ({left.size} and {right.size}), which gives them away.")
    width, height = left.size
    joined = Image.new("RGB", (2 * width, height))
    joined.paste(left.convert("RGB"), (0, 0))
    joined.paste(right.convert("RGB"), (width, 0))
    return encode(joined, ".png")


def candidate_with_title(candidates: Sequence[Candidate], title: str) -> Candidate:
    """Return the candidate with a title.

    Raises:
        UsageError: no candidate has it.
    """
    for candidate in candidates:
        if candidate.title == title:
            return candidate
    raise UsageError("Choose a model from the list.")
