from pathlib import Path
from types import SimpleNamespace

from i2i.demo.region_editor import _MAX_DRAWINGS, editor_value, region_editor
from i2i.demo.uploads import UploadStore
from i2i.images import encode, read
from tests.conftest import random_image
from tests.demo.conftest import upload

LAYER = encode(random_image(1), ".png")


def test_the_editor_saves_the_layers_of_a_drawing_without_decoding_them(store: UploadStore) -> None:
    editor = region_editor(store)
    editor.blob_storage["a"] = SimpleNamespace(layers=[LAYER, None, b"no image"])
    paths = editor.preprocess(SimpleNamespace(id="a", layers=[]))
    assert [Path(path).read_bytes() for path in paths] == [LAYER, b"no image"]
    assert all(store.files in Path(path).parents for path in paths)
    assert editor.preprocess(SimpleNamespace(id="a", layers=[])) == [], "a drawing is used once"
    assert editor.preprocess(SimpleNamespace(id=None, layers=[SimpleNamespace(path="/x.png")])) == ["/x.png"]
    assert editor.preprocess(None) == []


def test_drawings_that_nobody_uses_are_dropped(store: UploadStore) -> None:
    editor = region_editor(store)
    for index in range(_MAX_DRAWINGS + 5):
        editor.blob_storage[str(index)] = None
    assert len(editor.blob_storage) == _MAX_DRAWINGS
    assert "0" not in editor.blob_storage


def test_a_copy_of_the_photo_is_painted_on(store: UploadStore) -> None:
    photo = upload(store, "a.png", encode(random_image(1, 50, 30), ".png"))
    value = editor_value(photo, store)
    assert value is not None
    assert read(Path(value["background"])).size == (50, 30)
    assert editor_value(None, store) is None
