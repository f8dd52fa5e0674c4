import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from i2i.demo.model_registry import ModelRegistry
from i2i.demo.output import OutputOptions
from i2i.demo.session_history import MAX_RESULTS, SessionResult, with_result
from i2i.demo.translation import PhotoTranslator
from i2i.demo.uploads import UploadStore
from i2i.errors import UsageError
from i2i.images import encode
from tests.conftest import random_image
from tests.demo.conftest import upload

PHOTO = random_image(1, 50, 30)


@pytest.fixture
def made(registry: ModelRegistry, store: UploadStore) -> SessionResult:
    photo = upload(store, "photo.png", encode(PHOTO, ".png"))
    return SessionResult.save(photo, PhotoTranslator(registry, store)(photo, "both", "BtoA"), store)


def test_a_result_is_exported_in_every_format_without_translating_again(
    made: SessionResult, store: UploadStore
) -> None:
    for options in (OutputOptions(), OutputOptions("tif"), OutputOptions("jpg", 90), OutputOptions("webp")):
        path = made.export(options, store)
        assert path.name == f"photo-both-BtoA{options.suffix}"
        with Image.open(path) as file:
            assert file.size == PHOTO.size
            if not options.is_lossy:
                assert np.array_equal(np.asarray(file), np.asarray(Image.open(made.file)))
        assert b"both BtoA" in path.read_bytes(), "the model is named"


def test_the_transparency_of_a_result_is_exported(registry: ModelRegistry, store: UploadStore) -> None:
    image = PHOTO.copy()
    image.putalpha(Image.linear_gradient("L").resize(PHOTO.size))
    photo = upload(store, "photo.png", encode(image, ".png"))
    made = SessionResult.save(photo, PhotoTranslator(registry, store)(photo, "both"), store)
    exported = Image.open(io.BytesIO(made.export(OutputOptions("tif"), store).read_bytes()))
    assert np.array_equal(np.asarray(exported)[..., 3], np.asarray(image)[..., 3])


def test_the_viewer_shows_the_full_size_of_both_images(made: SessionResult, store: UploadStore) -> None:
    html = made.full_size_viewer(store)
    assert "--width: 50px; --height: 30px" in html
    assert html.count("gradio_api/file=") == 2


def test_the_history_is_limited_and_forgets_expired_results(made: SessionResult) -> None:
    history = list[SessionResult]()
    for index in range(MAX_RESULTS + 2):
        history = with_result(history, replace(made, name=str(index)))
    assert [old.name for old in history][:2] == [str(MAX_RESULTS + 1), str(MAX_RESULTS)]
    assert len(history) == MAX_RESULTS
    made.thumbnail.unlink()
    assert len(with_result(history, made)) == 1


def test_an_expired_result_is_reported(made: SessionResult, store: UploadStore) -> None:
    made.file.unlink()
    for action in (made.check_available, lambda: made.export(OutputOptions("jpg"), store)):
        with pytest.raises(UsageError, match="This result has expired"):
            action()
