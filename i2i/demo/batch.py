"""Translate many uploaded files with one model: images, zips of images and videos. The results go into one zip."""

import shutil
import time
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, cast

from i2i.convert import convert_jobs, make_plan
from i2i.convert.channels import default_suffix, learnt_stack
from i2i.convert.ignored import reason_to_ignore
from i2i.convert.plan import VIDEO_SUFFIXES, Plan, is_video
from i2i.convert.translation import ALL_FRAMES_ADVICE
from i2i.data.unpack import unpack
from i2i.demo.channels import check_takes_pictures
from i2i.demo.eta import format_duration
from i2i.demo.folder_job import JobContext, pack_results
from i2i.demo.folder_result import FolderResult
from i2i.demo.model_registry import ModelChoice, ModelRegistry
from i2i.demo.shared_access import LockedTranslator, SharedReader
from i2i.demo.translation import ProgressCallback, resolve_direction
from i2i.demo.uploads import UploadStore
from i2i.errors import I2IError, ImageError, UsageError
from i2i.images import IMAGE_SUFFIXES, Writer
from i2i.images.channel_writing import ChannelWriter
from i2i.images.folders import walk_folder
from i2i.images.formats import ARRAY_SUFFIXES, HEIC_SUFFIXES
from i2i.images.pixel_format import PixelFormat
from i2i.images.stacks import StackPattern
from i2i.inference.finishing import AS_IT_IS, Finishing

if TYPE_CHECKING:
    from i2i.inference.translator import Translator

HAS_PYAV = find_spec("av") is not None


class FolderTranslator:
    """Translates the images of many files, image by image, alternating with other jobs.

    Args:
        allow_video: accept videos too. They are decoded in this process, by PyAV.
    """

    def __init__(self, registry: ModelRegistry, store: UploadStore, allow_video: bool = False) -> None:
        self.registry = registry
        self.store = store
        self.allow_video = allow_video and HAS_PYAV

    def __call__(
        self,
        paths: Sequence[str | Path] | None,
        name: str,
        direction: str | None = None,
        strength: float | None = None,
        progress: ProgressCallback = lambda fraction, description: None,
        finishing: Finishing = AS_IT_IS,
    ) -> FolderResult:
        """Translate uploaded files. A file that fails does not stop the others.

        Args:
            paths: the uploaded files.
            name: a model of the registry.
            direction: None is the model's first direction.
            strength: the degradation strength; see ``i2i.inference.loading.load``.
            progress: called with each step.
            finishing: how the results are mixed with their photos.

        Raises:
            I2IError: there is nothing to translate, or the files exceed a limit.
        """
        model = self.registry.model(name)
        choice = ModelChoice(name, resolve_direction(name, model.info.directions, direction), strength, finishing)
        if not model.info.takes_pictures:
            check_takes_pictures(model, {"Blend and grain": finishing.changes_results})
        if not paths:
            raise UsageError("There are no files yet. Drop photos, or a zip of photos, into the box.")
        folder = self.store.temp_dir()
        try:
            uploads = [self.store.resolve(path) for path in paths]
            start = time.monotonic()
            deadline = start + self.store.limits.max_seconds
            return self._run(JobContext(choice, folder, start, deadline, progress, FolderResult()), uploads)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _run(self, job: JobContext, uploads: list[Path]) -> FolderResult:
        result = job.result
        job.progress(0.0, "Checking the files")
        stack = learnt_stack(self.registry.model(job.choice.name).info)
        sources = self._sources(job, uploads, stack)
        videos = [path for path in sources if is_video(path)]
        images = [path for path in sources if not is_video(path)]
        channels = self._result_format(job.choice)
        kind = "png" if channels is None else default_suffix(images, channels)
        image_plan = make_plan(images, job.out, kind, stack=stack) if images else Plan()
        result.failed += [(job.display_name(path), reason) for path, reason in image_plan.skipped + image_plan.failed]
        self._check_limits(image_plan)
        if not image_plan.jobs and not videos:
            return result
        job.progress(0.03, "Loading the model")
        with self.registry.lock.hold(self.store.limits.max_seconds):
            translator = self.registry.translator(job.choice)
        locked = LockedTranslator(translator, self.registry.lock)
        writer: Writer | ChannelWriter = Writer(suffix=".png", provenance=locked.provenance)
        if channels is not None:
            writer = ChannelWriter(suffix=f".{kind}", provenance=locked.provenance, alpha=channels.alpha)
        self._convert_images(job, locked, image_plan, writer)
        self._convert_videos(job, locked, videos)
        result.seconds = time.monotonic() - job.start
        job.progress(0.96, "Packing the results")
        result.file = pack_results(job, self.store, channels)
        return result

    def _result_format(self, choice: ModelChoice) -> PixelFormat | None:
        """Return the format of the results; None for photos."""
        info = self.registry.model(choice.name).info
        return None if info.takes_pictures else info.output_format(choice.direction)

    def _sources(self, job: JobContext, uploads: list[Path], stack: StackPattern | None) -> list[Path]:
        """Return the uploaded images and videos, and folders: of each zip, and of the files that form one image.

        Record the other files as failed.
        """
        sources = list[Path]()
        if stack is not None and (folder := self._gather_stacks(job, uploads, stack)):
            sources.append(folder)
            uploads = [upload for upload in uploads if stack.stem(upload.name) is None]
        for index, upload in enumerate(uploads):
            if upload.suffix.lower() == ".zip":
                sources += self._unpack(job, upload, job.unpacked / str(index) / upload.stem)
            elif is_video(upload) and not self.allow_video:
                job.result.failed.append((upload.name, "is a video; this server does not accept videos"))
            else:
                sources.append(upload)
        return sources

    def _gather_stacks(self, job: JobContext, uploads: list[Path], stack: StackPattern) -> Path | None:
        """Copy the files of stacks into one folder, because uploads have folders of their own; None if there are none.

        Raises: UsageError if two of them have one name.
        """
        files = [upload for upload in uploads if stack.stem(upload.name) is not None]
        folder = job.unpacked / "stacks"
        for upload in files:
            if (folder / upload.name).exists():
                raise UsageError(f"Two files have the name {upload.name}. Send the scenes one after another.")
            folder.mkdir(parents=True, exist_ok=True)
            self.store.make_room(upload.stat().st_size)
            shutil.copyfile(upload, folder / upload.name)
        return folder if files else None

    def _unpack(self, job: JobContext, upload: Path, folder: Path) -> list[Path]:
        """Unpack a zip and return [folder] if it contains images, otherwise []."""
        limits = self.store.limits
        try:
            self.store.make_room(upload.stat().st_size)
            max_bytes = min(limits.max_unpacked_bytes, self.store.free_bytes())
            unpack(upload, folder, max_bytes=max_bytes, max_files=4 * limits.max_files)
        except I2IError as error:
            job.result.failed.append((upload.name, _without_path(str(error), upload)))
            return []
        files = walk_folder(folder).files
        if not files:
            job.result.failed.append((upload.name, "holds no visible files"))
        reasons = {path: reason_to_ignore(path) for path in files if _is_not_image(path)}
        if len(reasons) < len(files) or None in reasons.values():
            return [folder]  # the plan reports the files that are no images
        job.result.failed += [(job.display_name(path), reason or "") for path, reason in reasons.items()]
        return []

    def _check_limits(self, image_plan: Plan) -> None:
        """Raise UsageError if there are too many images, or too many pixels in all of them together."""
        limits = self.store.limits
        total = 0
        if len(image_plan.jobs) > limits.max_files:
            raise UsageError(f"Found {len(image_plan.jobs)} images; the limit is {limits.max_files}. Send fewer.")
        for planned in image_plan.jobs:
            try:
                (width, height), _ = self.store.decoders.probe(planned.source)
            except ImageError:
                continue  # the conversion will report it
            total += width * height if width * height <= limits.max_pixels else 0
        if total > limits.max_total_pixels:
            raise UsageError(
                f"These images have {total / 1e6:.0f} million pixels together; the limit is "
                f"{limits.max_total_pixels / 1e6:.0f} million. Send fewer."
            )

    def _convert_images(
        self, job: JobContext, translator: LockedTranslator, image_plan: Plan, writer: Writer | ChannelWriter
    ) -> None:
        if not image_plan.jobs:
            return

        def progress(done: int, failed: int, total: int) -> None:
            failures = f", {failed} failed" if failed else ""
            job.progress(0.05 + 0.9 * done / max(1, total), f"{done} of {total} images{failures}")
            if time.monotonic() > job.deadline and done < total:
                raise KeyboardInterrupt  # handled like Ctrl-C: the results so far are kept

        conversion = convert_jobs(
            translator,
            image_plan,
            job.out,
            writer=writer,
            existing="overwrite",
            reader=SharedReader(self.store),
            progress=progress,
        )
        result = job.result
        result.converted += [str(target.relative_to(job.out)) for _, target in conversion.converted]
        result.failed += [(job.display_name(path), _without_path(reason, path)) for path, reason in conversion.failed]
        result.notices += [
            (job.display_name(path), notice.removesuffix(ALL_FRAMES_ADVICE)) for path, notice in conversion.notices
        ]
        finished = {path for path, _ in conversion.converted} | {path for path, _ in conversion.failed}
        late = f"was not reached within {format_duration(self.store.limits.max_seconds)}, the limit of a job"
        result.failed += [
            (job.display_name(planned.source), late) for planned in image_plan.jobs if planned.source not in finished
        ]

    def _convert_videos(self, job: JobContext, translator: LockedTranslator, videos: list[Path]) -> None:
        if not videos:
            return
        from i2i.convert.video import convert_video

        for video in videos:
            if translator.takes_channels:
                takes = self.registry.model(job.choice.name).takes
                job.result.failed.append((video.name, f"is a video, of RGB with 8 bits; the model takes {takes}"))
                continue
            try:
                video_result = convert_video(
                    cast("Translator", translator), video, job.out / video.name, provenance=translator.provenance,
                    max_pixels=self.store.limits.max_pixels, progress=partial(_video_progress, job, video.name),
                )  # fmt: skip
                job.result.converted.append(video.name)
                job.result.notices += [(video.name, notice) for notice in video_result.notices]
            except I2IError as error:
                job.result.failed.append((video.name, _without_path(str(error), video)))


def _video_progress(job: JobContext, name: str, done: int, total: int) -> None:
    """Report the frames of a video. Raise I2IError after the job's deadline."""
    job.progress(0.05 + 0.9 * done / total if total else 0.5, f"{name}: {done} frames")
    if time.monotonic() > job.deadline:
        raise I2IError("took longer than the limit of a job")


def _is_not_image(path: Path) -> bool:
    return path.suffix.lower() not in IMAGE_SUFFIXES | HEIC_SUFFIXES | ARRAY_SUFFIXES | VIDEO_SUFFIXES


def _without_path(reason: str, path: Path) -> str:
    """Return a reason without the server's folders and without the file's name at its start."""
    return reason.replace(str(path), path.name).removeprefix(path.name).lstrip(": ")
