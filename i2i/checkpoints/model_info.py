"""``ModelInfo``: the checked metadata of a model file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from i2i.checkpoints.metadata_fields import MetadataFields
from i2i.directions import SAMPLE, Direction
from i2i.errors import ModelFileError
from i2i.images.pixel_format import RGB8, RGB_FORMATS, DomainFormats, PixelFormat
from i2i.images.value_range import ValueRanges, ranges_to_json

FORMAT = 2  # of the metadata
MIN_SIZE = 8  # pixels a side of the images in training
MAX_SIZE = 2048
MAX_DEPTH = 20  # of nested tables and lists
HIGHER_IS_BETTER = ("psnr", "ssim")


@dataclass(frozen=True)
class BestMetric:
    """The best result of the validations of a training.

    Args:
        metric: such as "kid".
        value: of the metric.
        step: number of training steps.
        split: of the dataset, such as "test".
        image_counts: number of images in each domain.
    """

    metric: str
    value: float
    step: int
    split: str
    image_counts: tuple[int, ...]

    def same_protocol(self, other: "BestMetric") -> bool:
        """Return whether both are values of the same metric on the same images."""
        return (self.metric, self.split, self.image_counts) == (other.metric, other.split, other.image_counts)

    def is_better_than(self, other: "BestMetric") -> bool:
        return self.value > other.value if self.metric in HIGHER_IS_BETTER else self.value < other.value

    def to_json(self) -> dict[str, Any]:
        """Return the result with the keys of model files and training states."""
        return {
            "metric": self.metric,
            "value": self.value,
            "steps": self.step,
            "split": self.split,
            "images": list(self.image_counts),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], source: str = "The best metric") -> Self:
        """Return the result that ``to_json`` gave. Raises ModelFileError if a value is missing or unusable."""
        fields = MetadataFields(data, source, "best.")
        return cls(
            metric=fields.text("metric"),
            value=fields.number("value"),
            step=fields.integer("steps"),
            split=fields.text("split"),
            image_counts=fields.counts("images"),
        )


@dataclass(frozen=True)
class DataInfo:
    """The training data of a model.

    Args:
        name: of the dataset; "" if unknown.
        fingerprint: of its training images; "" if unknown.
        image_counts: number of training images in each domain.
    """

    name: str = ""
    fingerprint: str = ""
    image_counts: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """The metadata of a model file: its networks and their training.

    Args:
        method: such as "cyclegan"; "" if unknown, as for each text.
        recipe: such as "paper".
        title: what the model does, in a sentence for users.
        version: of the i2i that trained the model.
        size: pixels a side of the training images.
        directions: "AtoB", "BtoA" or both; or "sample" alone, for a generator of images from noise.
        generator: config of the generator, as JSON.
        task: config of the restoration task, as JSON; None for other models.
        data: the training data.
        steps: training steps of these weights; None if unknown.
        total_steps: steps of the whole training; None if unknown.
        ema: decay of the averaged weights; 0 for the last weights.
        best: the result for which these weights were kept; None for other weights.
        settings: all settings of the training, as JSON.
        value_ranges: black and white of the training images A and B by sample type, where the type does not fix them.
        formats: channels, type and value range of the images A and B.
        plugins: packages whose method, recipe, network or task the model uses, such as "i2i-wavelet 1.0".
        source: the file of another program that the weights were imported from, with its SHA-256; "" for own models.
        source_notes: sentences about where the weights come from, what the file is and how it runs.
        licence: of the weights; "" if unknown.
    """

    method: str = ""
    recipe: str = ""
    title: str = ""
    version: str = ""
    size: int
    directions: tuple[str, ...]
    generator: Mapping[str, Any]
    task: Mapping[str, Any] | None = None
    data: DataInfo = DataInfo()
    steps: int | None = None
    total_steps: int | None = None
    ema: float = 0.0
    best: BestMetric | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    value_ranges: tuple[ValueRanges, ValueRanges] = ({}, {})
    formats: DomainFormats = RGB_FORMATS
    plugins: tuple[str, ...] = ()
    source: str = ""
    source_notes: tuple[str, ...] = ()
    licence: str = ""

    def missing_plugin_hint(self) -> str:
        """Return what to do if i2i does not know the network or the task of the model."""
        if self.plugins:
            return f"The model was made with {' and '.join(self.plugins)}: install the missing package."
        return "It may be of a later version of i2i, or of a package that is not installed."

    def input_ranges(self, direction: str) -> ValueRanges:
        """Return black and white of the inputs of a direction, by sample type."""
        return self.value_ranges[Direction(direction).source_index]

    def input_format(self, direction: str) -> PixelFormat:
        """Return channels, type and value range of the inputs of a direction."""
        return RGB8 if direction == SAMPLE else self.formats[Direction(direction).source_index]

    def output_format(self, direction: str) -> PixelFormat:
        """Return channels, type and value range of the results of a direction."""
        return RGB8 if direction == SAMPLE else self.formats[Direction(direction).target_index]

    @property
    def takes_pictures(self) -> bool:
        """Whether inputs and results are pictures, RGB of 8 bits, in every direction."""
        return all(format.is_rgb8 for format in self.formats)

    @property
    def samples_from_noise(self) -> bool:
        """Whether the model generates images from noise and translates none."""
        return self.directions == (SAMPLE,)

    @property
    def takes_strength(self) -> bool:
        """Whether the network takes the strength of the degradation as input."""
        return self.generator.get("conditioning") == "level"

    @property
    def takes_mask(self) -> bool:
        """Whether the network fills masked regions."""
        return self.generator.get("conditioning") == "mask"

    @property
    def can_mask_texture(self) -> bool:
        """Whether the network can return its input wherever it adds no texture."""
        equal = len({format.channels for format in self.formats}) == 1
        return equal and self.generator.get("network") in ("resnet", "unet")

    @property
    def restores(self) -> bool:
        """Whether the model restores or enlarges photos, rather than translating them."""
        return bool(self.task_title) or self.generator.get("network") == "spandrel"

    @property
    def works_in_any_space(self) -> bool:
        """Whether it restores photos of any RGB space: all but models of super-resolution learnt from pairs."""
        return bool(self.task_name) or self.generator.get("network") == "spandrel"

    @property
    def task_name(self) -> str:
        """Name of the restoration task; "" for other models."""
        return self.task["task"] if self.task is not None else ""

    @property
    def scale(self) -> int:
        """How many times as wide and high a result is as its input: 2, 3 or 4 for super-resolution, else 1."""
        scale = self.generator.get("scale", 1)
        return scale if scale in (2, 3, 4) else 1

    @property
    def task_title(self) -> str:
        """The restoration task in words, such as "denoise"; "" for other models.

        A model of super-resolution has "super-resolution ×2", whether it was trained on photos or on pairs.
        """
        return f"super-resolution ×{self.scale}" if self.scale > 1 else self.task_name

    @property
    def resize(self) -> str:
        """How the training resized its images, such as "cover"; "" if unknown."""
        data = self.settings.get("data")
        resize = data.get("resize") if isinstance(data, dict) else None
        return resize if isinstance(resize, str) else ""

    @classmethod
    def from_metadata(cls, metadata: Any, source: str = "The model file") -> Self:
        """Check the metadata of format 2 and return them.

        Args:
            metadata: parsed JSON of any kind.
            source: of the metadata, for messages.

        Raises:
            ModelFileError: a value has the wrong type or is out of range.
        """
        fields = MetadataFields(metadata, source)
        if not _is_shallow(metadata):
            raise ModelFileError(f"{source}: its metadata is nested more than {MAX_DEPTH} levels. The file is damaged.")
        data = MetadataFields(fields.table("data", {}), source, "data.")
        generator = fields.table("generator")
        MetadataFields(generator, source, "generator.").text("network")
        task = fields.table("task", {})
        if task:
            MetadataFields(task, source, "task.").text("task")
        best = fields.table("best", {})
        return cls(
            method=fields.text("method", ""),
            recipe=fields.text("recipe", ""),
            title=fields.text("title", ""),
            version=fields.text("version", ""),
            size=fields.integer("size", MIN_SIZE, MAX_SIZE),
            directions=fields.directions("directions"),
            generator=generator,
            task=task or None,
            data=DataInfo(data.text("name", ""), data.text("fingerprint", ""), data.counts("images", [])),
            steps=fields.integer("steps") if fields.has("steps") else None,
            total_steps=fields.integer("total_steps") if fields.has("total_steps") else None,
            ema=fields.number("ema", 0.0),
            best=BestMetric.from_json(best, source) if best else None,
            settings=fields.table("settings", {}),
            value_ranges=fields.value_ranges("value_ranges"),
            formats=fields.formats("formats"),
            plugins=fields.texts("plugins"),
            source=fields.text("source", ""),
            source_notes=fields.texts("source_notes"),
            licence=fields.text("licence", ""),
        )

    def to_metadata(self) -> dict[str, Any]:
        """Return the JSON that a model file holds."""
        counts = {"steps": self.steps, "total_steps": self.total_steps}
        return {
            "format": FORMAT,
            "version": self.version,
            "method": self.method,
            "recipe": self.recipe,
            **({"title": self.title} if self.title else {}),
            "size": self.size,
            "directions": list(map(str, self.directions)),
            "generator": dict(self.generator),
            "data": {
                "name": self.data.name,
                "fingerprint": self.data.fingerprint,
                "images": list(self.data.image_counts),
            },
            "settings": dict(self.settings),
            **(
                {"value_ranges": [ranges_to_json(ranges) for ranges in self.value_ranges]}
                if any(self.value_ranges)
                else {}
            ),
            **({} if self.takes_pictures else {"formats": [format.to_json() for format in self.formats]}),
            **({"plugins": list(self.plugins)} if self.plugins else {}),
            **({"source": self.source} if self.source else {}),
            **({"source_notes": list(self.source_notes)} if self.source_notes else {}),
            **({"licence": self.licence} if self.licence else {}),
            **({"task": dict(self.task)} if self.task is not None else {}),
            **{name: count for name, count in counts.items() if count is not None},
            "ema": self.ema,
            **({"best": self.best.to_json()} if self.best is not None else {}),
        }


def _is_shallow(metadata: Any) -> bool:
    level = [metadata]
    for _ in range(MAX_DEPTH):
        tables = [item.values() if isinstance(item, dict) else item for item in level]
        level = [item for table in tables for item in table if isinstance(item, dict | list)]
    return not level
