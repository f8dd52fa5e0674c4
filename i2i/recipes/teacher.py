"""A student of ``i2i distill`` takes and returns the images of its teacher: their channels, type and value range."""

import logging
from dataclasses import dataclass

from i2i.checkpoints.model_file import find_model_file, load_any_model_info, model_name
from i2i.checkpoints.model_info import ModelInfo
from i2i.data.config import SourceConfig
from i2i.data.layout import Layout
from i2i.data.pixel_formats import domain_format
from i2i.data.value_ranges import NO_RANGES, DomainRanges
from i2i.directions import Direction
from i2i.errors import ConfigError
from i2i.images.pixel_format import DomainFormats, PixelFormat
from i2i.images.value_range import format_range
from i2i.methods.distill import DistillConfig
from i2i.recipes.recipe import Recipe

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Teacher:
    """The images that a teacher takes and returns in the direction of a training.

    Attributes:
        name: of the model.
        source: index of the domain of the inputs: 0 for A, 1 for B.
        formats: of its images A and B.
        ranges: black and white of its images A and B by sample type.
    """

    name: str
    source: int
    formats: DomainFormats
    ranges: DomainRanges

    @property
    def input(self) -> PixelFormat:
        """The format of its inputs."""
        return self.formats[self.source]

    @property
    def output(self) -> PixelFormat:
        """The format of its results."""
        return self.formats[1 - self.source]

    def dataset_formats(self, layout: Layout, stated: tuple[int | None, int | None]) -> DomainFormats:
        """Return the formats of the images A and B of a student's dataset: the source domain has that of the teacher.

        Args:
            layout: the dataset.
            stated: channels to translate and to return, as the user states them.

        Raises:
            ConfigError: other channels are stated.
            DatasetError: the images of the source domain do not have the channels of the teacher.
        """
        for flag, count, format in zip(("in", "out"), stated, (self.input, self.output), strict=True):
            if count not in (None, format.channels):
                takes = "takes" if flag == "in" else "returns"
                raise ConfigError(
                    f"--{flag}-channels is {count}, and the teacher {self.name} {takes} {format}. Leave "
                    f"--{flag}-channels out: the student has the channels of its teacher."
                )
        domain_format(layout, self.source, self.input.channels, f"The teacher {self.name} takes {self.input}")
        other = domain_format(layout, 1 - self.source)
        return (self.input, other) if self.source == 0 else (other, self.input)

    def known_ranges(self) -> DomainRanges:
        """Return black and white of the images of a student's dataset, where the teacher was trained on their type."""
        a, b = (
            {**({} if format.type == "uint8" else {format.type: format.value_range}), **ranges}
            for format, ranges in zip(self.formats, self.ranges, strict=True)
        )
        return a, b

    def student_formats(self, formats: DomainFormats) -> DomainFormats:
        """Return the formats in the student's model file: those of its dataset, and results as the teacher's.

        Args:
            formats: of the images A and B of the dataset, with their value ranges.
        """
        source = formats[self.source]
        if source.value_range != self.input.value_range:
            stated, learnt = (format_range(format.value_range).replace(" ", " to ") for format in (source, self.input))
            logger.warning(
                "warning: %s was trained with %s as black to white (%s), and the student learns with %s. Leave "
                "--value-range out to train it with the range of its teacher.",
                self.name, learnt, source.type, stated,
            )  # fmt: skip
        return (source, self.output) if self.source == 0 else (self.output, source)

    def student_ranges(self, ranges: DomainRanges) -> DomainRanges:
        """Return the value ranges in the student's model file; see ``student_formats``."""
        target = self.ranges[1 - self.source]
        return (ranges[0], target) if self.source == 0 else (target, ranges[1])


def find_teacher(recipe: Recipe) -> Teacher | None:
    """Return the teacher of a training on translated images; None for other methods and for restoration tasks.

    The method itself refuses a teacher that is not named, takes label maps, or does not have the direction.

    Raises:
        ModelFileError: there is no such model.
    """
    if not isinstance(recipe.data, SourceConfig) or recipe.data.restoration_task is not None:
        return None
    if (info := _teacher_info(recipe)) is None:
        return None
    direction = Direction(recipe.data.direction)
    if direction not in info.directions or info.input_format(direction).labels is not None:
        return None
    name = model_name(find_model_file(_teacher_name(recipe)))
    return Teacher(name, direction.source_index, info.formats, info.value_ranges)


def _teacher_name(recipe: Recipe) -> str:
    return recipe.model.teacher if isinstance(recipe.model, DistillConfig) else ""


def _teacher_info(recipe: Recipe) -> ModelInfo | None:
    name = _teacher_name(recipe)
    return load_any_model_info(find_model_file(name)) if name else None


def known_ranges(recipe: Recipe) -> DomainRanges:
    """Return black and white of the images A and B of a training that its teacher states, by sample type."""
    if recipe.data.restoration_task is not None:
        info = _teacher_info(recipe)
        return NO_RANGES if info is None else info.value_ranges
    teacher = find_teacher(recipe)
    return NO_RANGES if teacher is None else teacher.known_ranges()


def model_formats(recipe: Recipe, formats: DomainFormats, ranges: DomainRanges) -> tuple[DomainFormats, DomainRanges]:
    """Return formats and value ranges for the model file of a training.

    Args:
        recipe: of the training.
        formats: of the images A and B of its dataset.
        ranges: their black and white by sample type.
    """
    teacher = find_teacher(recipe)
    if teacher is None:
        return formats, ranges
    return teacher.student_formats(formats), teacher.student_ranges(ranges)
