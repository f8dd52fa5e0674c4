from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from i2i.convert.interfaces import MaskingReader
from i2i.convert.pipeline import WorkItem
from i2i.images import LoadedImage
from i2i.inference.masks import MaskReader
from tests.convert.test_pipeline import Inverter, run, write_items
from tests.images.in_process_reader import InProcessReader


def test_only_an_inpainting_translator_gets_alpha(tmp_path: Path) -> None:
    modes, has_alpha = [], []

    class ModeRecorder(Inverter):
        def submit(self, images: Sequence[Image.Image]) -> list[Callable[[], Image.Image]]:
            modes.append(images[0].mode)
            return super().submit([image.convert("RGB") for image in images])

    def record_alpha(item: WorkItem, image: Image.Image) -> None:
        assert item.image is not None
        has_alpha.append(item.image.alpha is not None)

    for takes_alpha in (False, True):
        (tmp_path / f"{takes_alpha}").mkdir()
        items = write_items(tmp_path / f"{takes_alpha}", 16)
        Image.new("RGBA", (16, 16), (1, 2, 3, 100)).save(items[0].source)
        translate = ModeRecorder()
        translate.mask_reader = MaskReader(None) if takes_alpha else None
        run(items, translate, write=record_alpha)
    assert (modes, has_alpha) == (["RGB", "RGBA"], [True, True])


def test_masks_are_read_by_the_same_reader_as_photos(tmp_path: Path) -> None:
    items, paths_read = write_items(tmp_path, 16), list[Path]()
    Image.linear_gradient("L").resize((16, 16)).save(tmp_path / "mask.png")

    class RecordingReader(InProcessReader):
        def read(self, path: Path, frame: int = 0, **options: Any) -> LoadedImage:
            paths_read.append(path)
            return super().read(path, frame, **options)

    translate: Any = Inverter()
    translate.mask_reader = MaskReader(tmp_path / "mask.png")
    run(items, translate, reader=MaskingReader(RecordingReader(), translate.mask_reader))
    assert paths_read == [items[0].source, tmp_path / "mask.png"]
    assert items[0].state == "converted"
