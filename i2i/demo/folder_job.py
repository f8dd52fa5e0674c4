"""One folder job: what its steps share, and the zip of its results."""

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from PIL import Image

from i2i.convert.plan import is_video
from i2i.demo.channels import picture_of, result_format
from i2i.demo.folder_result import FolderResult
from i2i.demo.model_registry import ModelChoice
from i2i.demo.translation import ProgressCallback
from i2i.demo.uploads import UploadStore
from i2i.images.channels import read_channels
from i2i.images.pixel_format import PixelFormat

MAX_PREVIEWS = 48  # results in the page's gallery
PREVIEW_SIDE = 640  # pixels of the longer side in the gallery


@dataclass(frozen=True)
class JobContext:
    """The context of one folder job, which all of its steps share.

    Attributes:
        choice: the model.
        folder: a temporary folder for unpacked files (``in``) and results (``out``).
        start: when the job started, as of ``time.monotonic``.
        deadline: when it must stop.
        progress: called with each step.
        result: collects what has been done.
    """

    choice: ModelChoice
    folder: Path
    start: float
    deadline: float
    progress: ProgressCallback
    result: FolderResult

    @property
    def unpacked(self) -> Path:
        return self.folder / "in"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def display_name(self, path: Path) -> str:
        """Return the name by which the user knows a file, without the server's folders."""
        if self.unpacked in path.parents:
            return PurePosixPath(*path.relative_to(self.unpacked).parts[1:]).as_posix()
        return path.name


def pack_results(job: JobContext, store: UploadStore, channels: PixelFormat | None) -> Path | None:
    """Write the zip of all results with a report, and the previews.

    Args:
        job: the job.
        store: keeps the zip and the previews.
        channels: format of the results; None for photos.

    Returns: the path of the zip; None without results.
    """
    result = job.result
    if not result.converted:
        return None
    path = store.new_path(f"{job.choice.name.replace('/', '-')}.zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:  # images are compressed already
        for name in result.converted:
            archive.write(job.out / name, name)
        archive.writestr("report.json", json.dumps(result.to_json(), indent=2, ensure_ascii=False))
    for name in result.converted[:MAX_PREVIEWS]:
        if not is_video(Path(name)):
            result.previews.append((store.preview(_picture(job.out / name, channels), PREVIEW_SIDE), name))
    return path


def _picture(path: Path, channels: PixelFormat | None) -> Image.Image:
    """Return a result as RGB. This server wrote the file, so it is safe to decode here."""
    if channels is not None:
        samples = read_channels(path, channels.channels)
        return picture_of(samples, result_format(samples, channels))
    with Image.open(path) as image:
        image.draft("RGB", (PREVIEW_SIDE, PREVIEW_SIDE))
        return image.convert("RGB")
