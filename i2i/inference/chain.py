"""Several models one after the other, such as denoise+superres2, without files between them."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from math import prod
from pathlib import Path

from PIL import Image
from torch import nn

from i2i.errors import UsageError
from i2i.images import Provenance
from i2i.inference.finishing import Finishing
from i2i.inference.mask_files import load_protection
from i2i.inference.masks import MaskReader
from i2i.inference.options import InferenceOptions
from i2i.inference.postprocessing import PendingImage
from i2i.inference.temporal_norm import TemporalNorm
from i2i.inference.translator import Progress, Translator


class ChainedTranslator(Translator):
    """Translate images with several models: each takes the results of the one before it.

    Args:
        members: the models, at least two, without blend, grain and protected regions.
        options: of the chain as a whole. Blend mixes its results with the photos.

    Raises: UsageError if another model than the first fills masks, or if a region cannot be protected.
    """

    def __init__(self, members: Sequence[Translator], options: InferenceOptions) -> None:
        first = members[0]
        self.members = members
        self.options = options
        self.device, self.dtype = first.device, first.dtype
        self.direction = "+".join(member.direction for member in members)
        self.info = None
        self.provenance = _joined_provenance([member.provenance for member in members if member.provenance])
        self.value_ranges = first.value_ranges
        self.preprocessor, self.runner, self.postprocessor = first.preprocessor, first.runner, first.postprocessor
        self._stage = first._stage
        for member in members[1:]:
            if member.mask_reader is not None:
                raise UsageError(
                    f"{member.name} fills what is masked in the photo, so it must be the first model: "
                    f"{'+'.join([member.name, *(other.name for other in members if other is not member)])}."
                )
        self.keeps_known_pixels = False
        self.finishing = Finishing(options.blend, options.grain)
        self.protection = load_protection(options.protect, options.mask_fill, self.name, self.scale)
        self.mask_reader = None
        if first.mask_reader is not None:
            mask = Path(options.mask) if options.mask is not None else None
            self.mask_reader = MaskReader(mask, fill=options.mask_fill, keeps_photo=False)

    def __repr__(self) -> str:
        return f"<Translator {self.name}: {', '.join(map(repr, self.members))}>"

    @property
    def name(self) -> str:
        """Names of the models, such as "denoise+superres2"."""
        return "+".join(member.name for member in self.members)

    @property
    def network(self) -> nn.Module:
        """The networks of the models, in their order."""
        return nn.ModuleList([member.network for member in self.members])

    @property
    def scale(self) -> int:
        """The size of a result relative to its image."""
        return prod(member.scale for member in self.members)

    @property
    def restores(self) -> bool:
        return all(member.restores for member in self.members)

    def compile(self) -> None:
        """Compile the networks, see ``Translator.compile``."""
        for member in self.members:
            member.compile()

    @contextmanager
    def temporal_norm(self, rate: float) -> Iterator[TemporalNorm]:
        """Translate the frames of a video with less flicker inside the context."""
        with ExitStack() as stack:
            norms = [stack.enter_context(member.temporal_norm(rate)) for member in self.members]
            yield _JointNorm(norms)

    @contextmanager
    def report_progress(self, progress: Progress) -> Iterator[None]:
        """Call ``progress`` inside the context with the fraction done of each image that runs in tiles or by rows."""
        count = len(self.members)
        with ExitStack() as stack:
            for index, member in enumerate(self.members):

                def report(fraction: float, index: int = index) -> None:
                    progress((index + fraction) / count)

                stack.enter_context(member.report_progress(report))
            yield

    def _submit(self, images: Sequence[Image.Image]) -> list[PendingImage]:
        for member in self.members[:-1]:
            images = [wait() for wait in member.submit(images)]
        return self.members[-1].submit(images)


class _JointNorm(TemporalNorm):
    """The temporal norms of several networks, as one."""

    def __init__(self, norms: Sequence[TemporalNorm]) -> None:
        self._joined = norms

    def reset(self) -> None:
        for norm in self._joined:
            norm.reset()


def _joined_provenance(parts: Sequence[Provenance]) -> Provenance | None:
    """Return one statement that names all models of a chain; None if there are none."""
    if not parts:
        return None
    model, version = (separator.join(values) for separator, values in (
        (" + ", [part.model for part in parts]), ("+", [part.version for part in parts])
    ))  # fmt: skip
    return replace(parts[0], model=model, version=version)
