"""Conversion of images of any channels and type: which files need it, how they are read, and how they are written."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from i2i.checkpoints.model_info import ModelInfo
from i2i.convert.interfaces import Size, WrappingReader
from i2i.data.saved_source import saved_stack
from i2i.errors import I2IError, ImageError, UsageError
from i2i.images import LoadedImage
from i2i.images.channels import CLASS_IDS, ChannelImage, read_channel_header
from i2i.images.downscale import downscaled_to_fit
from i2i.images.folders import list_images, walk_folder
from i2i.images.formats import ARRAY_SUFFIXES
from i2i.images.label_maps import LabelMap, to_label_map
from i2i.images.metadata import SourceMetadata
from i2i.images.pixel_format import PixelFormat
from i2i.images.stacks import StackPattern
from i2i.images.value_range import SampleSummary, ValueRanges, exceeds, is_narrow

if TYPE_CHECKING:
    from i2i.convert.options import ConvertOptions

_TIFF_SUFFIXES = {".tif", ".tiff"}


@dataclass(frozen=True, eq=False)
class LoadedChannels:
    """An image of any channels in the pipeline of a conversion, in place of ``LoadedImage``.

    Attributes:
        image: the image, with black and white; nothing once it is translated.
        unusual: what the samples hold, if they use little of their range or exceed it; else None.
    """

    image: ChannelImage | Image.Image
    unusual: SampleSummary | None = None
    alpha: None = None
    deep: None = None
    kept: None = None
    grey: bool = False
    source: SourceMetadata = SourceMetadata()

    @property
    def model_input(self) -> Any:
        return self.image

    @property
    def memory_factor(self) -> int:
        """Memory relative to that of a picture of RGB with 8 bits."""
        channels = self.image.channels if isinstance(self.image, ChannelImage) else 1
        channels = self.image.classes.count if isinstance(self.image, LabelMap) else channels
        return max(1, -(-channels * 4 // 3))

    def downscaled(self, max_side: int) -> "LoadedChannels":
        """Return the image with at most ``max_side`` pixels a side."""
        assert isinstance(self.image, ChannelImage)
        size = downscaled_to_fit(self.image.size, max_side)
        return replace(self, image=self.image.resize(size, Image.Resampling.LANCZOS))


class ChannelReader(WrappingReader):
    """A reader of samples in place of pictures.

    Args:
        reader: a ``DecoderPool``, or another one with its ``read_channels`` and ``read_channel_header``.
        translator: the ``ChannelTranslator`` that takes the images.
    """

    def __init__(self, reader: Any, translator: Any) -> None:
        super().__init__(reader)
        self.translator = translator

    def probe(self, path: Path) -> tuple[Size, int]:
        """Return the size and the number of images of a file. Pages that are channels are one image."""
        size, count = self.reader.probe(path)
        reader: Any = self.reader
        return size, count // reader.read_channel_header(path).pages if count > 1 else count

    def read(self, path: Path, frame: int = 0, *, blend: bool = True, ranges: ValueRanges | None = None) -> LoadedImage:
        from i2i.inference.channel_translator import range_of

        format = self.translator.input_format
        reader: Any = self.reader
        loaded: Any
        if format is not None and format.labels is not None:
            format.labels.check_palette(reader.read_channel_header(path).palette, str(path))
            loaded = LoadedChannels(to_label_map(reader.read_channels(path, CLASS_IDS), format.labels, str(path)))
            return loaded
        image: ChannelImage = reader.read_channels(path, format.channels if format else None)
        value_range = range_of(image, ranges or {}, format)
        summary = image.summary()
        is_known = format is not None and summary.type == format.type
        is_unusual = exceeds(summary, value_range) or (not is_known and is_narrow(summary, value_range))
        if self.translator.is_identity or value_range == image.declared:
            is_unusual = False
        loaded = LoadedChannels(replace(image, value_range=value_range), summary if is_unusual else None)
        return loaded


def needs_channels(sources: Sequence[Path], kind: str | None, stack: StackPattern | None = None) -> bool:
    """Return whether the identity copies samples instead of pictures.

    It does for sources of other than 1 or 3 channels and for NumPy's files; and for those of other types than 8 and 16
    bits if the named format can hold them. Otherwise these become pictures, as for any model of pictures.

    Args:
        sources: files and folders.
        kind: file format of the results if the user names one, such as "tif".
        stack: the files in folders that form one image.
    """
    for source in sources:
        for path in list_images(source, stack) if source.is_dir() else [source]:
            try:
                header = read_channel_header(path)
            except (ImageError, OSError):
                continue  # the conversion reports it
            if header.channels not in (1, 3) or path.suffix.lower() in ARRAY_SUFFIXES:
                return True
            if kind in ("tif", "tiff", "npy") and header.dtype not in ("uint8", "uint16"):
                return True
    return False


def result_format(options: "ConvertOptions", translator: Any) -> PixelFormat | None:
    """Return the format of the results of a model of channels; None for a model of pictures, or one that is not found.

    Args:
        options: of the conversion.
        translator: the loaded model; None if it is not loaded yet.
    """
    if translator is not None:
        return translator.output_format if getattr(translator, "takes_channels", False) else None
    info = _find_info(options.model)
    if info is None or info.takes_pictures:
        return None
    direction = options.direction if options.direction in info.directions else info.directions[0]
    return info.output_format(str(direction))


def stack_of(options: "ConvertOptions", translator: Any) -> StackPattern | None:
    """Return the files in folders that form one image: as the user states, else as in the training of the model.

    Raises: UsageError if no file is one of a stack that the user states.
    """
    info = translator.info if translator is not None else _find_info(options.model)
    if not options.stack:
        return learnt_stack(info) if info is not None else None
    stack = StackPattern(options.stack)
    files = [path for source in options.sources if source.is_dir() for path in walk_folder(source).files]
    if not any(stack.stem(path.name) for path in files):
        raise UsageError(f"No file of {options.sources[0]} has a name of the form --stack '{stack.text}'.")
    return stack


def learnt_stack(info: ModelInfo) -> StackPattern | None:
    """Return the files that formed one image in the training of a model; None if every file was an image."""
    text = saved_stack(info.settings.get("data"))
    return StackPattern(text) if text else None


def _find_info(model: str) -> ModelInfo | None:
    from i2i.checkpoints.model_file import find_model_file, load_model_info

    try:
        return load_model_info(find_model_file(model))
    except I2IError:
        return None  # loading it raises with the reason


def default_suffix(sources: Sequence[Path], format: PixelFormat | None) -> str:
    """Return the file format of results that the user names none for.

    TIFF for sources in TIFF and for what PNG cannot store, ``.npy`` for sources in NumPy's files, else PNG.

    Args:
        sources: files and folders.
        format: of the results; None for the format of the sources.
    """
    files = [path for source in sources for path in (list_images(source) if source.is_dir() else [source])]
    suffixes = {path.suffix.lower() for path in files}
    if suffixes and suffixes <= ARRAY_SUFFIXES:
        return "npy"
    has_png_channels = format is not None and (format.channels in (1, 3) or (format.channels == 4 and format.alpha))
    fits_png = format is not None and has_png_channels and format.dtype in ("uint8", "uint16")
    return "png" if fits_png and not suffixes & _TIFF_SUFFIXES else "tif"


def check_channel_options(options: "ConvertOptions", videos: Sequence[Any], name: str) -> None:
    """Raise UsageError for what only models of pictures convert.

    Args:
        options: of the conversion.
        videos: the jobs of videos.
        name: of the model.
    """
    if videos:
        raise UsageError(
            f"{videos[0].source} is a video, of three channels with 8 bits; {name} takes images of other channels or "
            "another type."
        )
    if options.frames != "first":
        raise UsageError(f"--frames {options.frames} takes pictures; {name} converts the first image of each file.")
    if options.keep_profile:
        raise UsageError(f"--keep-profile takes pictures; {name} takes images of other channels or another type.")
