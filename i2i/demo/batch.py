"""Many files through one model: pictures, zips of pictures, clips; what came of them in one zip."""

import json
import shutil
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, cast

from PIL import Image

from i2i.convert import convert_jobs, plan
from i2i.convert.plan import CLIPS, Plan, is_clip
from i2i.data.unpack import unpack
from i2i.demo.eta import spoken
from i2i.demo.model_registry import Models, Turn
from i2i.demo.translation import Tell, chosen
from i2i.demo.uploads import Desk
from i2i.errors import I2IError, PictureError, UsageError
from i2i.images import FORMATS, Photo, Provenance, Writer
from i2i.images.formats import HEIC

if TYPE_CHECKING:
    from i2i.inference.translator import Translator

SHOWN = 48  # results in the gallery
SIDE = 640  # pixels of the longer side there
CLIPS_TOO = find_spec("av") is not None


@dataclass
class Batch:
    """shown: small pictures of results and their names. failed: names and reasons. file: the zip, None of nothing."""

    converted: list[str] = field(default_factory=list)
    shown: list[tuple[Path, str]] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    file: Path | None = None
    seconds: float = 0.0

    def told(self) -> str:
        """In words, for people."""
        files = "file" if len(self.converted) == 1 else "files"
        bad = f", {len(self.failed)} could not be" if self.failed else ""
        return f"{len(self.converted)} {files} translated{bad}, in {spoken(self.seconds)}."

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        failed = [{"source": name, "reason": reason} for name, reason in self.failed]
        return {"converted": self.converted, "failed": failed, "seconds": round(self.seconds, 3)}


class Batching:
    """Translates the pictures of many files, taking turns, picture by picture, with whoever else is there.

    clips: take those too. They are decoded in this process, by PyAV.
    """

    def __init__(self, models: Models, clips: bool = False) -> None:
        self.models, self.clips = models, clips and CLIPS_TOO

    def __call__(
        self,
        paths: Sequence[str | Path] | None,
        name: str,
        direction: str | None = None,
        strength: float | None = None,
        tell: Tell = lambda share, what: None,
    ) -> Batch:
        """Translate uploaded files. One bad file stops none of the others.

        Raises I2IError where there is nothing to translate, or too much of it.
        """
        model, desk = self.models.model(name), self.models.desk
        direction = chosen(name, model.directions, direction)
        if not paths:
            raise UsageError("There are no files yet: drop photos, or a zip of photos, into the box.")
        work = desk.work()
        try:
            return self._done([desk.uploaded(path) for path in paths], work, (name, direction, strength), tell)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _done(self, uploads: list[Path], work: Path, which: tuple[str, str, float | None], tell: Tell) -> Batch:
        began, found = time.monotonic(), Batch()
        tell(0.0, "Looking at the files")
        sources = self._sources(uploads, work, found)
        photos = [path for path in sources if not is_clip(path)]
        planned, out = plan(photos, work / "out", "png") if photos else Plan(), work / "out"
        names = _Names(work)
        found.failed += [(names.of(path), reason) for path, reason in planned.skipped + planned.failed]
        self._check(planned, found, names)
        if not planned.jobs and len(photos) == len(sources):
            return found
        tell(0.03, "Loading the model")
        with self.models.turn(self.models.desk.limits.seconds):
            translator = self.models.translator(*which)
        deadline = began + self.models.desk.limits.seconds
        shared = InTurn(translator, self.models.turn)
        self._convert(shared, planned, out, found, names, (deadline, tell))
        self._convert_clips(shared, [path for path in sources if is_clip(path)], out, found, (deadline, tell))
        found.seconds = time.monotonic() - began
        tell(0.96, "Packing the results")
        found.file = _packed(out, self.models.desk, found, which[0])
        return found

    def _sources(self, uploads: list[Path], work: Path, found: Batch) -> list[Path]:
        """The files to be translated: uploads as they are, and what is in zips; the rest is noted as failed."""
        sources, limits = list[Path](), self.models.desk.limits
        for index, upload in enumerate(uploads):
            if upload.suffix.lower() == ".zip":
                folder = work / "in" / str(index) / upload.stem
                try:
                    unpack(upload, folder, max_bytes=limits.unpacked, max_files=4 * limits.files)
                except I2IError as error:
                    found.failed.append((upload.name, _short(error, upload)))
                    continue
                inside = sorted(path for path in folder.rglob("*") if path.is_file())
                sources += [folder] if any(path.suffix.lower() in FORMATS | HEIC for path in inside) else []
                found.failed += [
                    (_inside(path, folder), "is no picture by its name") for path in inside if _alien(path)
                ]
            elif is_clip(upload) and not self.clips:
                found.failed.append((upload.name, "is a clip, and this server takes none"))
            else:
                sources.append(upload)
        return sources

    def _check(self, planned: Plan, found: Batch, names: "_Names") -> None:
        """Raise UsageError where there are too many pictures, or they have too many pixels together."""
        limits, total = self.models.desk.limits, 0
        if len(planned.jobs) > limits.files:
            raise UsageError(f"These are {len(planned.jobs)} pictures; at most {limits.files} go at once. Send fewer.")
        for job in planned.jobs:
            try:
                (width, height), _ = self.models.desk.readers.look(job.source)
            except PictureError:
                continue  # told in its turn
            total += width * height if width * height <= limits.pixels else 0
        if total > limits.pixels_in_all:
            raise UsageError(
                f"These pictures have {total / 1e6:.0f} million pixels together; at most "
                f"{limits.pixels_in_all / 1e6:.0f} million go at once. Send fewer."
            )

    def _convert(
        self, shared: "InTurn", planned: Plan, out: Path, found: Batch, names: "_Names", course: tuple[float, Tell]
    ) -> None:
        if not planned.jobs:
            return
        deadline, tell = course

        def progress(done: int, failed: int, total: int) -> None:
            bad = f", {failed} failed" if failed else ""
            tell(0.05 + 0.9 * done / max(1, total), f"{done} of {total} pictures{bad}")
            if time.monotonic() > deadline and done < total:
                raise KeyboardInterrupt  # as a user's: what is done is kept

        writer = Writer(suffix=".png", provenance=shared.provenance)
        result = convert_jobs(
            shared,
            planned,
            out,
            writer=writer,
            existing="overwrite",
            reader=Borrowed(self.models.desk),
            progress=progress,
        )
        found.converted += [str(target.relative_to(out)) for _, target in result.converted]
        found.failed += [(names.of(path), _short_text(reason, path)) for path, reason in result.failed]
        dealt = {path for path, _ in result.converted} | {path for path, _ in result.failed}
        late = f"was not reached within the {spoken(self.models.desk.limits.seconds)} that a job gets here"
        found.failed += [(names.of(job.source), late) for job in planned.jobs if job.source not in dealt]

    def _convert_clips(
        self, shared: "InTurn", clips: list[Path], out: Path, found: Batch, course: tuple[float, Tell]
    ) -> None:
        if not clips:
            return
        from i2i.convert.video import convert_clip

        deadline, tell = course
        for clip in clips:

            def progress(done: int, total: int, clip: Path = clip) -> None:
                tell(0.5 if not total else 0.05 + 0.9 * done / total, f"{clip.name}: {done} frames")
                if time.monotonic() > deadline:
                    raise I2IError("took longer than a job gets here")

            try:
                target = out / clip.name
                convert_clip(
                    cast("Translator", shared), clip, target, provenance=shared.provenance,
                    max_pixels=self.models.desk.limits.pixels, progress=progress,
                )  # fmt: skip
                found.converted.append(clip.name)
            except I2IError as error:
                found.failed.append((clip.name, _short(error, clip)))


class InTurn:
    """A translator that waits for its turn before each pass, and is done with it before another's comes."""

    def __init__(self, translator: "Translator", turn: Turn) -> None:
        self._translator, self._turn = translator, turn
        self.provenance: Provenance | None = translator.provenance
        self.scale, self.holes, self.network = translator.scale, translator.holes, translator.network

    def padded(self, size: tuple[int, int]) -> tuple[int, int]:
        return self._translator.padded(size)

    def at_once(self, size: tuple[int, int]) -> int:
        return self._translator.at_once(size)

    def begin(self, images: Sequence[Image.Image]) -> list[Callable[[], Image.Image]]:
        with self._turn():
            done = [pending() for pending in self._translator.begin(images)]
        return [lambda picture=picture: picture for picture in done]  # type: ignore[misc]


class Borrowed:
    """The desk's readers, lent to one job that cannot close them."""

    def __init__(self, desk: Desk) -> None:
        self._readers, self.max_pixels = desk.readers, desk.limits.pixels

    def look(self, path: Path) -> tuple[tuple[int, int], int]:
        return self._readers.look(path)

    def read(self, path: Path, frame: int = 0) -> Photo:
        return self._readers.read(path, frame)

    def close(self) -> None:
        """They stay open for others."""


class _Names:
    """What a user calls a file that lies in a folder of the server's."""

    def __init__(self, work: Path) -> None:
        self.home = work / "in"

    def of(self, path: Path) -> str:
        if self.home in path.parents:
            return PurePosixPath(*path.relative_to(self.home).parts[1:]).as_posix()
        return path.name


def _alien(path: Path) -> bool:
    return path.suffix.lower() not in FORMATS | HEIC | CLIPS


def _inside(path: Path, folder: Path) -> str:
    return path.relative_to(folder.parent).as_posix()


def _short(error: Exception, path: Path) -> str:
    return _short_text(str(error), path)


def _short_text(reason: str, path: Path) -> str:
    """A reason without the server's folders in it, nor the file's name at its head."""
    return reason.replace(str(path), path.name).removeprefix(path.name).lstrip(": ")


def _packed(out: Path, desk: Desk, found: Batch, model: str) -> Path | None:
    """A zip of the results and of the list of what became of every file; small pictures of the first for the page."""
    if not found.converted:
        return None
    path = desk.place(f"{model.replace('/', '-')}.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # pictures are compressed already
        for name in found.converted:
            archive.write(out / name, name)
        archive.writestr("report.json", json.dumps(found.to_json(), indent=2, ensure_ascii=False))
    for name in found.converted[:SHOWN]:
        if not is_clip(Path(name)):
            with Image.open(out / name) as picture:  # of our own making
                picture.draft("RGB", (SIDE, SIDE))
                found.shown.append((desk.shown(picture.convert("RGB"), SIDE), name))
    return path
