"""The model "auto" in the demo: a photo gets the models that suit it."""

from urllib.parse import unquote

import gradio as gr
import httpx
import numpy as np
import pytest
from PIL import Image

from i2i.demo.choosing import choose_for_upload
from i2i.demo.model_registry import ModelRegistry
from i2i.demo.server import Server
from i2i.demo.tabs.translate import TranslateTab
from i2i.demo.translation import PhotoTranslator
from i2i.demo.uploads import UploadStore
from i2i.errors import ImageError, UsageError
from i2i.images import encode
from i2i.inference.loading import load
from tests.conftest import random_image
from tests.demo.conftest import upload
from tests.demo.test_http_api import pixels, translate

CLEAN = random_image(5, 420, 36)
NOISE = 20 * np.random.default_rng(0).standard_normal((36, 420, 3))
NOISY = Image.fromarray((np.asarray(CLEAN) // 2 + 60 + NOISE).round().clip(0, 255).astype(np.uint8))


def test_the_model_of_a_photo_is_chosen_among_those_of_the_server(registry: ModelRegistry, store: UploadStore) -> None:
    path = upload(store, "noisy.png", encode(NOISY, ".png"))
    assert choose_for_upload(registry, store, path).model == "denoise"
    small = upload(store, "small.png", encode(random_image(1, 100, 100), ".png"))
    assert choose_for_upload(registry, store, small, may_enlarge=False).is_unchanged
    with pytest.raises(ImageError, match=r"^text\.png"):
        choose_for_upload(registry, store, upload(store, "text.png", b"text"))


def test_auto_translates_with_the_chosen_model_and_says_why(registry: ModelRegistry, store: UploadStore) -> None:
    translator = PhotoTranslator(registry, store)
    result = translator(upload(store, "noisy.png", encode(NOISY, ".png")), "auto")
    assert (result.model, result.choice and result.choice.model) == ("denoise", "denoise")
    assert "Chosen for this photo: noise of σ " in result.summary()
    assert result.to_json()["choice"]["reason"].startswith("noise of σ ")
    clean = translator(upload(store, "clean.png", encode(CLEAN, ".png")), "auto")
    assert clean.model == "none"
    assert np.array_equal(clean.output, CLEAN)
    with pytest.raises(UsageError, match="omit direction, strength and mask"):
        translator(upload(store, "clean.png", encode(CLEAN, ".png")), "auto", "AtoB")


def test_the_button_selects_the_models_and_shows_the_reason(registry: ModelRegistry, store: UploadStore) -> None:
    small = np.asarray(NOISY)[:, :300]
    path = str(upload(store, "small.png", encode(Image.fromarray(small), ".png")))
    with gr.Blocks():
        tab = TranslateTab(PhotoTranslator(registry, store))
    first, then, reason = tab.on_choose(path, "both")
    assert (first, then["value"]) == ("denoise", "superres2")
    assert ("superres2", "superres2") in then["choices"]
    assert reason.startswith("denoise+superres2: noise of σ ")
    clean = str(upload(store, "clean.png", encode(CLEAN, ".png")))
    first, then, reason = tab.on_choose(clean, "both")
    assert (first, then["value"]) == ("both", "")
    assert reason.startswith("left as it is: no noise to remove")
    with pytest.raises(UsageError, match="There is no photo yet"):
        tab.on_choose(None, "both")


@pytest.mark.usefixtures("use_served_checkpoints")
def test_auto_is_a_model_of_the_http_api(server: Server) -> None:
    answer = translate(server, encode(NOISY, ".png"), model="auto")
    assert np.array_equal(pixels(answer), np.asarray(load("denoise", device="cpu")(NOISY)))
    assert answer.headers["x-i2i-model"] == "denoise"
    assert unquote(answer.headers["x-i2i-choice"]).startswith("denoise: noise of σ ")
    unchanged = translate(server, encode(CLEAN, ".png"), model="auto")
    assert np.array_equal(pixels(unchanged), np.asarray(CLEAN))
    assert translate(server, encode(CLEAN, ".png"), model="auto", direction="AtoB").status_code == 400
    assert translate(server, encode(CLEAN, ".png"), model="auto", mask=encode(CLEAN, ".png")).status_code == 400
    explained = httpx.post(
        f"{server.url}explain", files={"image": ("a.png", encode(NOISY, ".png"))}, timeout=120
    ).json()
    assert (explained["model"], explained["measured"]["width"]) == ("denoise", 420)
    assert not list(server.store.files.rglob("a.png")), "the upload is deleted"
