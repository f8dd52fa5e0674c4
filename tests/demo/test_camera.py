"""The live camera: its settings, its translator and its route."""

import io
import re
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from i2i.demo.camera import CameraSettings, CameraTranslator
from i2i.demo.limits import Limits
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.server import Server
from i2i.errors import UsageError
from i2i.inference.loading import load
from i2i.restoration.inpaint import Inpaint
from i2i.restoration.noise import Denoise
from tests.conftest import random_image
from tests.demo.test_channels import CELLS, write_channel_model
from tests.demo.test_translation import run_folder
from tests.inference.test_restoration import save_task_model

FRAME = random_image(3, 128, 128)


@pytest.fixture
def camera(registry: ModelRegistry) -> CameraTranslator:
    return CameraTranslator(registry, Limits(max_pixels=300**2))


def test_the_result_is_the_image_that_python_makes(camera: CameraTranslator) -> None:
    result = camera(camera.settings("both", "BtoA", side=128), FRAME.tobytes())
    assert np.array_equal(np.asarray(result.image), np.asarray(load("both", "BtoA", device="cpu")(FRAME)))
    assert result.seconds > 0


def test_settings_default_to_the_first_direction_and_ignore_a_strength_that_is_not_taken(
    camera: CameraTranslator,
) -> None:
    settings = camera.settings("both", "", 0.5)
    assert settings == CameraSettings("both", "AtoB", None, 256)
    assert settings.query() == "model=both&direction=AtoB&side=256"


def test_a_description_names_the_size_of_an_enlarged_result(camera: CameraTranslator) -> None:
    text = camera.describe(camera.settings("superres2", side=128))
    assert "128 × 128 pixels. The result has 256 × 256." in text


@pytest.mark.parametrize(
    ("name", "direction", "side", "message"),
    [("both+superres2", None, 256, "one model, not a chain"), ("nothing", None, 256, "No model is named 'nothing'"),
     ("both", "AtoC", 256, "both has no direction 'AtoC'"), ("both", None, 200, "it must be one of 128, 192, 256"),
     ("both", None, 384, "beyond the 90000 pixels"), ("cells", None, 256, "cells takes 2 channels"),
     ("fills", None, 256, "fills a region")],
)  # fmt: skip
def test_what_a_camera_cannot_use_is_refused_in_words(
    name: str, direction: str | None, side: int, message: str, camera: CameraTranslator
) -> None:
    write_special_models()
    with pytest.raises(UsageError, match=message):
        camera.settings(name, direction, side=side)


def write_special_models() -> None:
    """Write a model of two channels, and one that fills regions."""
    write_channel_model(Path("checkpoints/cells"), CELLS)
    save_task_model(run_folder("fills") / "weights.safetensors", Inpaint())


def test_only_models_that_take_photos_alone_are_offered(camera: CameraTranslator) -> None:
    before = list(camera.models())
    assert "both" in before
    write_special_models()
    assert {"cells", "fills"} <= set(camera.registry.names())
    assert list(camera.models()) == before


def test_the_strength_is_part_of_the_query(camera: CameraTranslator) -> None:
    save_task_model(run_folder("known") / "weights.safetensors", Denoise(sigma=(5.0, 40.0), noise_level_input=True))
    assert camera.settings("known", strength=12.5).query() == "model=known&direction=AtoB&side=256&strength=12.5"
    with pytest.raises(UsageError, match="known needs the degradation strength, from 5 to 40; found 50"):
        camera.settings("known", strength=50)


def post(server: Server, pixels: bytes, **fields: Any) -> httpx.Response:
    fields = {"model": "both", "side": 128, **fields}
    return httpx.post(f"{server.url}camera", params=fields, content=pixels, timeout=120)


@pytest.mark.usefixtures("use_served_checkpoints")
def test_the_server_answers_with_a_jpeg_and_stores_nothing(server: Server) -> None:
    before = set(server.store.root.rglob("*"))
    answer = post(server, FRAME.tobytes(), direction="BtoA")
    assert answer.headers["content-type"] == "image/jpeg"
    assert re.fullmatch(r"wait;dur=[\d.]+, load;dur=[\d.]+, network;dur=[\d.]+", answer.headers["server-timing"])
    expected = np.asarray(load("both", "BtoA", device="cpu")(FRAME), np.float32)
    with Image.open(io.BytesIO(answer.content)) as image:
        assert np.abs(np.asarray(image, np.float32) - expected).mean() < 8
    assert set(server.store.root.rglob("*")) == before


@pytest.mark.usefixtures("use_served_checkpoints")
@pytest.mark.parametrize(
    ("pixels", "fields", "status", "message"),
    [(b"", {}, 400, "has 49152 bytes, three for each pixel; found 0"), (bytes(50_000), {}, 413, "this one has more"),
     (b"", {"side": 100_000}, 400, "must be one of 128"), (b"", {"side": "wide"}, 422, "it must be a valid integer"),
     (b"", {"model": "both+superres2"}, 400, "not a chain"), (b"", {"direction": "up"}, 400, "no direction 'up'")],
)  # fmt: skip
def test_the_server_refuses_what_is_no_image_of_a_camera(
    pixels: bytes, fields: dict[str, Any], status: int, message: str, server: Server
) -> None:
    answer = post(server, pixels, **fields)
    assert (answer.status_code, message in answer.json()["error"]) == (status, True), answer.text


@pytest.mark.usefixtures("use_served_checkpoints")
def test_a_photo_waits_for_two_images_of_six_cameras(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    lock, load_model = server.registry.lock, server.registry.translator
    images, images_before_photo = list[Any](), list[int]()

    def count(choice: Any) -> Any:
        images.append(choice)
        return load_model(choice)

    def photo() -> None:
        with lock.hold():
            images_before_photo.append(len(images))

    monkeypatch.setattr(server.registry, "translator", count)
    waiting_photo = threading.Thread(target=photo)
    with ThreadPoolExecutor(6) as pool:
        with lock.hold():
            answers = [pool.submit(post, server, FRAME.tobytes()) for _ in range(6)]
            wait_for(lambda: lock.queue_length() == 3)
            waiting_photo.start()
            wait_for(lambda: lock.queue_length() == 4)
        waiting_photo.join()
        assert [answer.result().status_code for answer in answers] == [200] * 6
    assert (images_before_photo, len(images)) == ([2], 6)


def wait_for(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.002)


@pytest.mark.usefixtures("use_served_checkpoints")
def test_an_image_that_waited_too_long_is_refused_and_the_server_is_called_busy(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("i2i.demo.camera.MAX_WAIT", 0.01)
    with server.registry.lock.hold():
        answer = post(server, FRAME.tobytes())
    assert (answer.status_code, "busy with other jobs" in answer.json()["error"]) == (503, True)
    assert post(server, FRAME.tobytes()).status_code == 200


@pytest.mark.usefixtures("use_served_checkpoints")
def test_too_little_memory_is_said_in_words(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(choice: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(server.registry, "translator", fail)
    answer = post(server, FRAME.tobytes())
    assert (answer.status_code, "Choose a smaller side" in answer.json()["error"]) == (500, True)
