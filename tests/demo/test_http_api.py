"""The plain HTTP API, as curl uses it."""

import io
import re
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from i2i.demo.model_registry import ModelRegistry
from i2i.demo.server import Server, ServerOptions
from i2i.images import encode
from i2i.inference.loading import load
from tests.conftest import random_image

PHOTO = random_image(5, 48, 36)
PNG = encode(PHOTO, ".png")
pytestmark = pytest.mark.usefixtures("use_served_checkpoints")


def translate(server: Server, image: bytes = PNG, name: str = "photo.png", **fields: Any) -> httpx.Response:
    masks = {key: (f"{key}.png", fields.pop(key)) for key in ("mask", "keep") if key in fields}
    fields = {"model": "both", **fields}
    return httpx.post(f"{server.url}translate", files={"image": (name, image), **masks}, data=fields, timeout=120)


def pixels(answer: httpx.Response) -> np.ndarray:
    assert answer.status_code == 200, answer.text
    with Image.open(io.BytesIO(answer.content)) as image:
        return np.asarray(image)


def test_the_answer_is_the_image_that_python_makes(server: Server) -> None:
    answer = translate(server, name="shore.png", direction="BtoA")
    assert np.array_equal(pixels(answer), np.asarray(load("both", "BtoA", device="cpu")(PHOTO)))
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["content-disposition"] == "inline; filename*=UTF-8''shore-both-BtoA.png"
    assert (answer.headers["x-i2i-model"], answer.headers["x-i2i-direction"]) == ("both", "BtoA")
    assert not list(server.store.files.rglob("shore.png")), "the upload is deleted"


@pytest.mark.parametrize(
    ("format", "media_type", "pillow_format"),
    [("jpg", "image/jpeg", "JPEG"), ("JPEG", "image/jpeg", "JPEG"), ("webp", "image/webp", "WEBP"),
     ("tif", "image/tiff", "TIFF"), (".avif", "image/avif", "AVIF")],
)  # fmt: skip
def test_the_format_is_chosen(format: str, media_type: str, pillow_format: str, server: Server) -> None:
    answer = translate(server, format=format)
    assert answer.headers["content-type"] == media_type
    assert Image.open(io.BytesIO(answer.content)).format == pillow_format


def test_a_lower_quality_makes_a_smaller_file(server: Server) -> None:
    sizes = [len(translate(server, format="jpg", quality=quality).content) for quality in (20, 95)]
    assert sizes[0] < sizes[1]


def test_a_region_stays_bit_identical_to_the_photo(server: Server) -> None:
    mask = Image.new("L", PHOTO.size, 0)
    mask.paste(255, (4, 6, 30, 20))
    result = pixels(translate(server, keep=encode(mask, ".png")))
    kept = np.asarray(mask) == 255
    assert np.array_equal(result[kept], np.asarray(PHOTO)[kept])
    assert np.array_equal(result[~kept], np.asarray(load("both", "AtoB", device="cpu")(PHOTO))[~kept])


def test_models_are_chained(server: Server) -> None:
    result = pixels(translate(server, model="both:BtoA+superres2"))
    by_hand = load("superres2", device="cpu")(load("both", "BtoA", device="cpu")(PHOTO))
    assert np.array_equal(result, np.asarray(by_hand))
    answer = translate(server, model="both+nothing")
    assert (answer.status_code, "No model is named 'nothing'" in answer.text) == (404, True)


def test_the_result_is_mixed_with_the_photo_and_gets_grain(server: Server) -> None:
    result = pixels(translate(server)).astype(int)
    half = pixels(translate(server, blend="0.5", format="avif", lossless="true"))
    assert np.abs(half - (result + np.asarray(PHOTO)) / 2).max() <= 0.5
    assert not np.array_equal(pixels(translate(server, grain="20")), result)


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"model": "nothing"}, 404, "No model is named 'nothing'. Existing models: denoise"),
        ({"direction": "sideways"}, 400, "both has no direction 'sideways'"),
        ({"strength": "5"}, 400, "both does not take the degradation strength"),
        ({"strength": "much"}, 422, "The field strength is 'much'; it must be a valid number"),
        ({"format": "bmp"}, 400, "There is no format 'bmp'. Choose png"),
        ({"quality": "0"}, 400, "The quality is 0; it must be from 1 to 100"),
        ({"quality": "high"}, 422, "The field quality is 'high'; it must be a valid integer"),
        ({"blend": "2"}, 400, "blend is 2.0; it must be from 0"),
        ({"grain": "-1"}, 400, "grain is -1.0; it must be from 0 to 50"),
        ({"lossless": "true", "format": "jpg"}, 400, "JPEG cannot store an image without loss"),
        ({"mask": PNG}, 400, "both does not inpaint"),
        ({"keep": encode(random_image(0, 8, 8), ".png")}, 422, "The image keep is 8x8; a mask must have the size"),
        ({"image": b"dear diary", "name": "notes.jpg"}, 422, "looks like a text"),
        ({"image": encode(Image.new("RGB", (1500, 1500)), ".png")}, 422, "photo.png has 1500x1500 pixels"),
        ({"image": bytes(1_100_000)}, 413, "larger than 1 MB"),
        ({"image": bytes(4_000_000)}, 413, "limit of an upload is 1 MB"),
        ({"model": "superres2", "keep": encode(Image.new("L", PHOTO.size, 255), ".png")}, 400, "changes the size"),
    ],
)  # fmt: skip
def test_an_error_is_a_status_and_a_sentence(fields: Any, status: int, message: str, server: Server) -> None:
    answer = translate(server, **fields)
    assert (answer.status_code, message in answer.json()["error"]) == (status, True), answer.text
    assert "/tmp" not in answer.text


def test_a_request_without_a_photo_is_explained(server: Server) -> None:
    url = f"{server.url}translate"
    answer = httpx.post(url, data={"model": "both"}, timeout=60)
    assert answer.status_code == 422
    assert "The field image is missing" in answer.json()["error"]
    answer = httpx.post(url, data={"image": "photo.jpg"}, timeout=60)
    assert answer.status_code == 422
    assert "The field image must be a file" in answer.json()["error"]
    assert httpx.get(url, timeout=60).status_code == 405
    assert "by POST" in httpx.get(url, timeout=60).json()["error"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"direciton": "BtoA"}, "There is no field 'direciton'. Did you mean direction?"),
        ({"degradation_level": "3"}, "There is no field 'degradation_level'. The fields are image, model, direction"),
        ({"format": ["png", "jpg"]}, "The field format is given 2 times"),
    ],
)
def test_a_field_that_is_unknown_or_given_twice_is_refused(fields: Any, message: str, server: Server) -> None:
    answer = translate(server, **fields)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(message)


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "translate", 405, "Send a photo to /translate by POST"),
        ("POST", "models", 405, "/models is read by GET"),
        ("DELETE", "health", 405, "/health is read by GET"), ("GET", "nosuch", 404, "There is nothing at /nosuch."),
        ("POST", "translate/", 404, "There is nothing at /translate/."),
        ("GET", "models/both", 404, "There is nothing"),
    ],
)  # fmt: skip
def test_other_addresses_and_methods_are_answered_in_a_sentence(
    method: str, path: str, status: int, message: str, server: Server
) -> None:
    answer = httpx.request(method, f"{server.url}{path}")
    assert answer.status_code == status
    assert answer.json()["error"].startswith(message)


def test_a_message_about_a_mask_names_no_flags(server: Server) -> None:
    answer = translate(server, keep=encode(Image.new("RGB", PHOTO.size, "red"), ".png"))
    assert answer.status_code == 422
    assert answer.json()["error"] == (
        "The image keep has coloured paint. A mask is black and white: white where to fill, and black or transparent "
        "elsewhere."
    )


def test_a_body_without_a_declared_length_is_limited(server: Server) -> None:
    def body() -> Any:
        yield b'--B\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
        for _ in range(50):
            yield bytes(100_000)

    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    try:
        answer = httpx.post(f"{server.url}translate", content=body(), headers=headers, timeout=60)
    except httpx.WriteError:
        return  # the server has closed the connection
    assert answer.status_code == 413


def test_other_sites_cannot_send_photos(server: Server) -> None:
    headers = {"Origin": "http://evil.example"}
    answer = httpx.post(f"{server.url}translate", files={"image": PNG}, headers=headers, timeout=60)
    assert answer.status_code == 403


def test_a_full_queue_refuses_further_photos(server: Server) -> None:
    with ThreadPoolExecutor(20) as pool:
        with server.registry.lock.hold():
            answers = [pool.submit(translate, server) for _ in range(20)]
            while sum(answer.done() for answer in answers) < 10:
                time.sleep(0.02)
        statuses = [answer.result().status_code for answer in answers]
    assert sorted(statuses) == [200] * 10 + [503] * 10  # two at work and eight that wait


def test_the_models_are_listed_with_what_they_do_and_the_files_that_cannot_be_used(
    server: Server, served_checkpoints: Path
) -> None:
    broken = served_checkpoints / "broken"
    broken.mkdir()
    (broken / "weights.safetensors").write_bytes(b"no model")
    answer = httpx.get(f"{server.url}models", timeout=60).json()
    shutil.rmtree(broken)
    models = {model["name"]: model for model in answer["models"]}
    assert models["both"]["direction_labels"] == ["plain → striped", "striped → plain"]
    assert models["denoise"]["purpose"] == "noisy → clean"
    assert [item["name"] for item in answer["unusable"]] == ["broken"]
    assert "not a readable safetensors file" in answer["unusable"][0]["reason"]


def test_health_and_the_description_are_served_without_other_hosts(server: Server) -> None:
    assert httpx.get(f"{server.url}health", timeout=60).json() == {"status": "ok", "waiting": 0}
    schema = httpx.get(f"{server.url}openapi.json", timeout=60).json()
    assert set(schema["paths"]) == {"/translate", "/explain", "/models", "/health"}
    page = httpx.get(f"{server.url}docs", timeout=60).text
    assert page.count("white where the photo stays as it is") == 1
    explain = page[page.index("POST /explain") :]
    assert explain.count("<code>image</code>") == 1, "each address has the fields of its own"
    assert "<code>blend</code>" not in explain
    assert set(re.findall(r"https?://[^/\"\s<]+", page)) == {server.url.rstrip("/")}


def test_a_password_protects_all_but_health() -> None:
    with Server(ModelRegistry("cpu"), options=ServerOptions(auth=("lab", "sécret"))) as protected:
        for path in ("models", "docs", "openapi.json"):
            answer = httpx.get(protected.url + path, timeout=60)
            assert answer.status_code == 401
            assert "curl -u" in answer.json()["error"]
            assert answer.headers["www-authenticate"].startswith("Basic")
        assert httpx.post(f"{protected.url}translate", files={"image": PNG}, timeout=60).status_code == 401
        assert httpx.get(f"{protected.url}models", auth=("lab", "wrong"), timeout=60).status_code == 401
        assert httpx.get(f"{protected.url}models", auth=("lab", "sécret"), timeout=60).status_code == 200
        assert httpx.get(f"{protected.url}health", timeout=60).status_code == 200
        with httpx.Client() as client:
            client.post(f"{protected.url}login", data={"username": "lab", "password": "sécret"}, timeout=60)
            assert client.get(f"{protected.url}models", timeout=60).status_code == 200


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_curl_command_of_the_documentation_works(server: Server, work_dir: Path) -> None:
    (work_dir / "photo.jpg").write_bytes(encode(PHOTO, ".jpg"))
    page = files("i2i").joinpath("docs/demo.md").read_text()
    commands = [line for line in page.splitlines() if line.startswith("curl ") and "/translate" in line]
    assert commands
    for command in commands:
        local = command.replace("http://127.0.0.1:7860/", server.url)
        subprocess.run(local, shell=True, check=True, capture_output=True)
        assert Image.open(re.findall(r"-o (\S+)", command)[0]).size == PHOTO.size
