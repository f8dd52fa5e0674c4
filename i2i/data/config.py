"""Configs of the training data: unpaired, with a direction, with a task, paired, and a single domain."""

from dataclasses import dataclass
from typing import Literal

from i2i.augmentations import NAMES, load_pipeline
from i2i.config import Config, option, require
from i2i.data.clean_crops import CleanCropConfig
from i2i.data.layout import LayoutName
from i2i.data.resize import ResizeMode
from i2i.images.label_classes import MAX_CLASSES, MAX_ID, MIN_CLASSES, LabelClasses
from i2i.images.stacks import StackPattern
from i2i.restoration import NoTask, Task, TaskConfig

_RESIZE_SCALE_HELP = "images are resized to this times --size, then cropped to --size at random"
_RESIZE_HELP = (
    "resizing before the crop: stretch (to a square), cover (shorter side, aspect ratio kept) or native (no resizing)"
)
_STACK_HELP = "files that form one image of several channels, such as '{stem}_{B02,B03,B04}.tif' (`i2i docs channels`)"
_AUGMENTATIONS_HELP = (
    f"random changes of the training images after the crop: {', '.join(NAMES)}, or a file with a pipeline of "
    "Albumentations in JSON or YAML (`i2i docs data`)"
)


@dataclass(frozen=True, kw_only=True)
class ImageConfig(Config):
    """A dataset, and the size and geometry of its images."""

    data: str = option("", "dataset: a path, or a name (`i2i data list`)")
    layout: LayoutName = option("auto", "how the folders of --data are laid out (`i2i docs data`)")
    stack: str = option("", _STACK_HELP)
    size: int = option(256, "training resolution in pixels", ge=8, le=2048)
    resize_scale: float = option(286 / 256, _RESIZE_SCALE_HELP, was="jitter", ge=1, le=4)
    resize: ResizeMode = option("stretch", _RESIZE_HELP, was="fit")
    flip: bool = option(True, "flip images horizontally at random")
    augmentations: str = option("none", _AUGMENTATIONS_HELP, parse=load_pipeline)
    shuffle_window: int | None = option(
        None,
        "for a dataset in shards: images that are shuffled together, while the shards follow one another in random "
        "order; 0: all images; without it, 0 for shards on this machine and 10000 for those at an address",
        ge=0,
    )
    value_range: tuple[float, float] | None = option(
        None,
        "values of black and of white, such as 0 4095, for images of a type that can hold them; without it, the type "
        "decides",
    )
    value_range_a: tuple[float, float] | None = option(None, "--value-range of the images A, if B has another")
    value_range_b: tuple[float, float] | None = option(None, "--value-range of the images B, if A has another")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.stack:
            StackPattern(self.stack)
        for name in ("value_range", "value_range_a", "value_range_b"):
            if limits := getattr(self, name):
                require(limits[0] < limits[1], name, limits, "two numbers, that of black below that of white")

    @property
    def load_size(self) -> int:
        """Target size of the resize before the crop, in pixels; for "native", the minimum of the shorter side."""
        return self.size if self.resize_mode == "native" else round(self.size * self.resize_scale)

    @property
    def resize_mode(self) -> ResizeMode:
        """How images are resized before the crop. A restoration task overrides ``resize``."""
        return self.resize

    @property
    def random_rotation(self) -> bool:
        """Whether images are rotated by a random multiple of 90 degrees."""
        return False

    @property
    def restoration_task(self) -> Task | None:
        """The restoration task to learn from single images, or None for data that holds its own targets."""
        return None


@dataclass(frozen=True, kw_only=True)
class UnpairedConfig(ImageConfig):
    """Two unpaired sets of images, A and B."""

    data_a: str = option("", "folder of the images A, instead of --data")
    data_b: str = option("", "folder of the images B, instead of --data")
    test_a: str = option("", "folder of the test images A, beside --data-a")
    test_b: str = option("", "folder of the test images B, beside --data-b")
    in_channels: int | None = option(
        None,
        "channels of the images to translate (of A, if both directions are learnt), 1 to 16: 4 for RGBA; without it, "
        "those of the files",
        ge=1,
        le=16,
    )
    out_channels: int | None = option(
        None, "channels of the images to return (of B), 1 to 16; without it, those of the files", ge=1, le=16
    )

    @property
    def channels(self) -> tuple[int, int]:
        """Channels of the images to translate and of those to return: three where none are stated."""
        return self.in_channels or 3, self.out_channels or 3


@dataclass(frozen=True, kw_only=True)
class DirectedConfig(UnpairedConfig):
    """Two unpaired sets of images, translated in one direction only."""

    direction: Literal["AtoB", "BtoA"] = option(
        "AtoB", "direction of translation: from A (trainA/) to B (trainB/), or the reverse"
    )


@dataclass(frozen=True, kw_only=True)
class SourceConfig(DirectedConfig):
    """Two sets of images, the first to be translated, or single images that a restoration task degrades."""

    task: TaskConfig = option(
        NoTask(),
        "restoration task to learn from clean photos alone; none: the dataset holds inputs and targets. Most tasks "
        "train on crops at the photos' own scale, colorize on downscaled photos",
    )
    clean_crops: CleanCropConfig = option(CleanCropConfig(), "crops that a --task sees beside those of the photos")

    def __post_init__(self) -> None:
        super().__post_init__()
        scale = self.task.scale
        require(self.size % scale == 0, "size", self.size, f"a multiple of {scale}, the scale of the task")

    @property
    def resize_mode(self) -> ResizeMode:
        task = self.restoration_task
        if task is None:
            return self.resize
        return "native" if task.train_on_crops else "cover"

    @property
    def random_rotation(self) -> bool:
        task = self.restoration_task
        return task is not None and task.train_on_crops and self.flip

    @property
    def restoration_task(self) -> Task | None:
        return None if isinstance(self.task, NoTask) else self.task


@dataclass(frozen=True, kw_only=True)
class PairedConfig(SourceConfig):
    """Pairs of images, or single images that a restoration task degrades."""

    direction: Literal["AtoB", "BtoA"] = option(
        "AtoB", "direction of translation: from A (left, or A/) to B (right, or B/), or the reverse"
    )
    pairs: tuple[str, str] | None = option(
        None, "folder of the inputs and folder of the targets, paired by name, instead of --data"
    )
    pair_suffixes: tuple[str, str] | None = option(
        None, "ends of the names of the two images of a pair, such as _in _out for x_in.png and x_out.png"
    )
    labels: int | None = option(
        None,
        "the images A are label maps of this many classes: a palette, or class ids from 0. The network gets a channel "
        "for each class, and nothing interpolates the ids (`i2i docs channels`)",
        ge=MIN_CLASSES,
        le=MAX_CLASSES,
    )
    ignore_label: int | None = option(
        None,
        "id of the pixels of --labels that belong to no class: all of their channels are off",
        ge=-MAX_ID,
        le=MAX_ID,
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            self.ignore_label is None or self.labels is not None,
            "ignore_label",
            self.ignore_label,
            "left out without {labels}",
        )
        if self.labels is None:
            return
        require(
            self.direction == "AtoB", "direction", self.direction, "AtoB with {labels}: label maps are the images A"
        )
        expected = "none with {labels}: label maps are not photos to restore"
        require(self.restoration_task is None, "task.task", getattr(self.task, "task", ""), expected)
        for name in ("in_channels", "value_range_a"):
            require(
                getattr(self, name) is None,
                name,
                getattr(self, name),
                "left out with {labels}: label maps have classes",
            )

    @property
    def channels(self) -> tuple[int, int]:
        return self.labels or super().channels[0], super().channels[1]

    @property
    def label_classes(self) -> LabelClasses | None:
        """The classes of the images A; None if these are no label maps."""
        return None if self.labels is None else LabelClasses(count=self.labels, ignore=self.ignore_label)


@dataclass(frozen=True, kw_only=True)
class SingleDomainConfig(ImageConfig):
    """One set of images, for generation from noise."""

    size: int = option(64, "training resolution in pixels", ge=8, le=2048)
    resize_scale: float = option(1.0, _RESIZE_SCALE_HELP, was="jitter", ge=1, le=4)
    resize: ResizeMode = option("cover", _RESIZE_HELP, was="fit")


DataConfig = UnpairedConfig | DirectedConfig | PairedConfig | SingleDomainConfig
