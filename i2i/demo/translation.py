"""Translate one photo: read it, wait for the model, run the network and save the result, with progress messages."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path
from typing import Any

from i2i.demo.channels import ChannelResult, check_takes_pictures, translate_upload
from i2i.demo.choosing import choose_for_upload
from i2i.demo.eta import RuntimeEstimator, format_duration
from i2i.demo.model_registry import ModelChoice, ModelRegistry, RegisteredModel
from i2i.demo.regions import Selection, blended, compose, with_region_to_fill
from i2i.demo.translation_result import TranslationResult
from i2i.demo.uploads import UploadStore
from i2i.errors import UsageError
from i2i.images.channels import ChannelImage
from i2i.inference.auto.choice import AUTO
from i2i.inference.finishing import AS_IT_IS, Finishing
from i2i.inference.masks import MaskedPhoto

ProgressCallback = Callable[[float, str], None]  # (completed fraction in [0, 1], description of the current step)
POLL_INTERVAL = 0.25  # seconds between progress messages


class PhotoTranslator:
    """Translates uploaded photos, one at a time, in the order of arrival."""

    def __init__(self, registry: ModelRegistry, store: UploadStore) -> None:
        self.registry = registry
        self.store = store
        self.estimator = RuntimeEstimator()
        self._executor = ThreadPoolExecutor(1, "i2i-demo")  # the calling thread reports progress meanwhile

    def __call__(
        self,
        path: str | Path | None,
        name: str,
        direction: str | None = None,
        strength: float | None = None,
        fill: Selection | None = None,
        keep: Selection | None = None,
        progress: ProgressCallback = lambda fraction, description: None,
        finishing: Finishing = AS_IT_IS,
    ) -> TranslationResult:
        """Translate an uploaded photo.

        Args:
            path: the uploaded file.
            name: a model of the registry; or "auto", which chooses by the photo and takes no direction, strength, fill.
            direction: None is the model's first direction.
            strength: the degradation strength; see ``i2i.inference.loading.load``.
            fill: the region that an inpainting model is to fill, besides what is transparent.
            keep: the region that stays as it is in the photo, for a model whose results have the photo's size. An
                inpainting model keeps all but the region to fill anyway.
            progress: called with each step.
            finishing: how the result is mixed with the photo.

        Raises:
            I2IError: the photo cannot be translated; the message is meant for the user.
        """
        if name == AUTO:
            return self._translate_auto(path, direction or strength or fill, keep, progress, finishing)
        model = self.registry.model(name)
        choice = ModelChoice(name, resolve_direction(name, model.info.directions, direction), strength, finishing)
        progress(0.0, "Reading the photo")
        if not model.info.takes_pictures:
            check_takes_pictures(model, {"A region": fill or keep, "Blend and grain": finishing.changes_results})
            return self._translate_channels(path, model, choice, progress)
        loaded_photo = self.store.read(path, blend=False, ranges=model.info.input_ranges(choice.direction))
        size = loaded_photo.image.size
        kept = keep.region(self.store, loaded_photo) if keep else None
        photo = loaded_photo
        if model.info.takes_mask:
            photo = with_region_to_fill(loaded_photo, fill.region(self.store, loaded_photo) if fill else None)
        estimate = self._estimate(choice, size[0] * size[1])
        if queue_length := self.registry.lock.queue_length():
            progress(0.02, f"Waiting for the model, {queue_length} before you")
        with self.registry.lock.hold(self.store.limits.max_seconds):
            start = time.monotonic()
            progress(0.04, "Loading the model")
            translator = self.registry.translator(choice)
            if kept is not None and translator.scale != 1:
                raise UsageError(f"{name} changes the size of the photo, so no region can stay as it is.")
            loaded = time.monotonic()
            network_input = photo.rgba() if isinstance(photo, MaskedPhoto) else blended(photo)
            output = self._run_with_progress(translator, network_input, estimate, progress)
            seconds = time.monotonic() - loaded
        self.estimator.record((name, choice.direction), size[0] * size[1], seconds)
        progress(0.95, "Writing the result")
        output = photo.compose(output) if isinstance(photo, MaskedPhoto) else compose(output, photo, kept)
        source = replace(loaded_photo, alpha=None)  # the output has the transparency that it needs
        return TranslationResult(
            photo=blended(loaded_photo),
            source=source,
            output=output,
            stem=Path(str(path)).stem,
            model=name,
            direction=choice.direction,
            provenance=translator.provenance,
            seconds=seconds,
            loading_seconds=loaded - start,
            device=translator.device.type,
            frame_count=self.store.count_frames(path),
        )

    def _translate_channels(
        self, path: str | Path | None, model: RegisteredModel, choice: ModelChoice, progress: ProgressCallback
    ) -> ChannelResult:
        """Translate an uploaded file with a model of other channels than RGB of 8 bits, or of label maps."""

        def run(image: ChannelImage) -> tuple[Any, ChannelImage, float, float]:
            estimate = self._estimate(choice, image.width * image.height)
            if queue_length := self.registry.lock.queue_length():
                progress(0.02, f"Waiting for the model, {queue_length} before you")
            with self.registry.lock.hold(self.store.limits.max_seconds):
                start = time.monotonic()
                progress(0.04, "Loading the model")
                translator: Any = self.registry.translator(choice)
                loaded = time.monotonic()
                [result] = self._run_with_progress(translator.translate, [image], estimate, progress)
                seconds = time.monotonic() - loaded
            self.estimator.record((choice.name, choice.direction), image.width * image.height, seconds)
            return translator, result, seconds, loaded - start

        result = translate_upload(self.store, path, model, choice.direction, run)
        progress(0.95, "Writing the result")
        return result

    def _translate_auto(
        self,
        path: str | Path | None,
        refused: Any,
        keep: Selection | None,
        progress: ProgressCallback,
        finishing: Finishing,
    ) -> TranslationResult:
        """Translate a photo with the models that suit it. ``refused`` are options that belong to one model."""
        if refused:
            raise UsageError("auto chooses the model: omit direction, strength and mask, or name a model.")
        progress(0.0, "Measuring the photo")
        choice = choose_for_upload(self.registry, self.store, path, may_enlarge=keep is None)
        if choice.is_unchanged:
            return replace(self._unchanged(path), choice=choice)
        return replace(self(path, choice.model, keep=keep, progress=progress, finishing=finishing), choice=choice)

    def _unchanged(self, path: str | Path | None) -> TranslationResult:
        """Return the photo as it is, as a result."""
        loaded = self.store.read(path, blend=False)
        photo = blended(loaded)
        return TranslationResult(
            photo=photo,
            source=replace(loaded, alpha=None),
            output=compose(photo, loaded),
            stem=Path(str(path)).stem,
            model="none",
            direction="unchanged",
            provenance=None,
            seconds=0.0,
            loading_seconds=0.0,
            device="cpu",
            frame_count=self.store.count_frames(path),
        )

    def _estimate(self, choice: ModelChoice, pixels: int) -> float | None:
        """Return the expected seconds if known. Raise UsageError if they exceed the limit."""
        estimate = self.estimator.estimate((choice.name, choice.direction), pixels)
        limit = self.store.limits.max_seconds
        if estimate is not None and estimate > limit:
            raise UsageError(
                f"This photo would take {choice.name} about {format_duration(estimate)}; the limit is "
                f"{format_duration(limit)}. Send a smaller one."
            )
        return estimate

    def _run_with_progress(
        self, translator: Any, image: Any, estimate: float | None, progress: ProgressCallback
    ) -> Any:
        """Run the network in the executor's thread and report progress from this one."""
        start = time.monotonic()
        future = self._executor.submit(translator, image)
        while not wait([future], POLL_INTERVAL).done:
            elapsed = time.monotonic() - start
            if estimate is None:
                progress(0.1, f"Translating ({format_duration(elapsed)} so far)")
            elif elapsed < estimate:
                remaining = format_duration(estimate - elapsed)
                progress(0.1 + 0.8 * elapsed / estimate, f"Translating (about {remaining} left)")
            else:
                progress(0.9, "Translating (any moment now)")
        return future.result()


def resolve_direction(name: str, directions: Sequence[str], direction: str | None) -> str:
    """Return ``direction``, or the first of ``directions`` if it is None or empty.

    Raises:
        UsageError: the model has no such direction.
    """
    if direction and direction not in directions:
        raise UsageError(f"{name} has no direction {direction[:20]!r}. Choose {' or '.join(directions)}.")
    return direction or directions[0]
