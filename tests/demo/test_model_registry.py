import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from i2i.demo import server
from i2i.demo.components import strength_told
from i2i.demo.eta import Pace, spoken
from i2i.demo.model_registry import Models
from i2i.demo.translation import Translating
from i2i.errors import PictureError, UsageError
from i2i.images import encode, read
from i2i.inference.translator import load
from i2i.restoration.inpaint import Inpaint
from i2i.restoration.noise import Denoise
from tests.cli.test_cli import run
from tests.conftest import picture
from tests.demo.conftest import upload, write_model
from tests.inference.test_restoration import bundle


def test_the_models_are_the_runs_that_translate_pictures_their_bests_and_what_ships(
    models: Models, own_place: Path
) -> None:
    place = own_place / "checkpoints"
    write_model(place / "one", ("BtoA",)).rename(place / "one" / "best.safetensors")
    write_model(place / "two")
    (place / "two" / "best.safetensors").write_bytes((place / "two" / "weights.safetensors").read_bytes())
    write_model(place / "paints", directions=["sample"])
    (place / "broken").mkdir()
    (place / "broken" / "weights.safetensors").write_bytes(b"no bundle")
    assert models.names() == ["both", "two", "two/best", "denoise", "superres2"]
    assert models.directions("both") == ["AtoB", "BtoA"]


@pytest.mark.parametrize("name", ["", "../both", "checkpoints/both", "/etc/passwd", "both/weights.safetensors", "BOTH"])
def test_a_name_that_is_none_of_theirs_opens_nothing(name: str, models: Models) -> None:
    with pytest.raises(UsageError, match="There are: both, denoise"):
        models.translate(name, "AtoB", picture(0))


def test_a_path_is_no_name_even_where_it_leads_to_a_model(models: Models, own_place: Path) -> None:
    path = write_model(own_place / "elsewhere")
    for name in (str(path), str(path.parent), "elsewhere"):
        with pytest.raises(UsageError, match="no model"):
            models.translate(name, "AtoB", picture(0))


def test_a_translation_is_that_of_the_translator(models: Models) -> None:
    for direction in ("AtoB", "BtoA"):
        expected = load("both", direction, device="cpu")(picture(3, 40, 28))
        assert np.array_equal(np.asarray(models.translate("both", direction, picture(3, 40, 28))), np.asarray(expected))


def test_the_translator_longest_unused_is_dropped_first(models: Models) -> None:
    first, second = models.translator("both", "AtoB"), models.translator("both", "BtoA")
    assert models.translator("both", "AtoB") is first
    models.translator("denoise", "AtoB")
    assert models.translator("both", "AtoB") is first
    assert models.translator("both", "BtoA") is not second


def test_a_bundle_that_was_trained_further_is_loaded_anew(models: Models, own_place: Path) -> None:
    before = models.translator("both", "AtoB")
    (own_place / "checkpoints" / "both").rename(own_place / "old")
    time.sleep(0.01)
    write_model(own_place / "checkpoints" / "both", ("AtoB",))
    assert models.translator("both", "AtoB") is not before
    assert models.directions("both") == ["AtoB"]


def test_turns_come_in_the_order_they_were_asked_for_one_at_a_time(models: Models) -> None:
    came, inside = list[int](), list[int]()

    def take(number: int) -> None:
        with models.turn():
            inside.append(number)
            assert len(inside) == 1
            came.append(number)
            inside.remove(number)

    threads = []
    with models.turn():
        for number in range(5):
            threads.append(threading.Thread(target=take, args=(number,)))
            threads[-1].start()
            while len(models.turn._waiting) < number + 2:
                time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert came == list(range(5))


def test_who_waits_too_long_for_a_turn_is_told_so_and_the_next_still_gets_it(models: Models) -> None:
    with models.turn(), pytest.raises(UsageError, match="busy with others"), models.turn(0.01):
        pass
    with models.turn(0.01):
        pass


def test_every_model_has_a_picture_or_none_and_examples_that_can_be_read(models: Models) -> None:
    assert models.thumbnail("both") is None
    thumbnail = models.thumbnail("denoise")
    assert thumbnail is not None
    assert read(thumbnail).width == 2 * read(thumbnail).height
    for name, direction in (("both", "AtoB"), ("both", "BtoA"), ("denoise", "AtoB"), ("superres2", "AtoB")):
        assert len([read(path) for path in models.examples(name, direction)]) == 3
    assert read(models.examples("both", "AtoB")[0]).size == (16, 16)  # of its data and size


def test_an_upload_becomes_a_png_of_the_whole_size_that_says_who_made_it(models: Models) -> None:
    photo = upload(models.desk, "my photo.png", encode(picture(1, 50, 30), ".png"))
    steps = list[str]()
    answer = Translating(models)(photo, "both", "BtoA", tell=lambda share, what: steps.append(what))
    with Image.open(answer.file) as made:
        assert made.size == (50, 30)
        assert "both BtoA" in str(made.info["xmp"])
    assert answer.file.name == "my photo-both-BtoA.png"
    assert steps[0] == "Reading the photo"
    assert "50 × 30" in answer.told()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("notes.jpg", b"not a picture at all, but text", r"^notes.jpg: not a picture"),
        ("large.png", encode(Image.new("RGB", (1100, 1000)), ".png"), r"^large.png has 1100x1000 pixels"),
        ("cut.png", encode(picture(0, 64, 64), ".png")[:600], r"^cut.png is damaged"),
    ],
)
def test_a_photo_that_cannot_be_read_is_told_by_its_own_name(name: str, data: bytes, said: str, models: Models) -> None:
    with pytest.raises(PictureError, match=said):
        Translating(models)(upload(models.desk, name, data), "both")


def test_only_uploads_and_the_pages_own_pictures_are_opened(models: Models, own_place: Path) -> None:
    outside = own_place / "secret.png"
    picture(0).save(outside)
    link = models.desk.place("link.png")
    inside = models.desk.work() / "work.png"
    picture(0).save(inside)
    for path in (outside, link, inside, "/etc/passwd", models.desk.folder / ".." / "assets", "", None):
        with pytest.raises(UsageError, match=r"upload|drop"):
            Translating(models)(path, "both")
    Translating(models)(models.examples("both")[0], "both")


def test_what_is_old_or_too_much_is_deleted_the_oldest_first(models: Models) -> None:
    import os

    desk = models.desk
    files = [upload(desk, f"{index}.png", bytes(1000)) for index in range(4)]
    for index, path in enumerate(files):
        os.utime(path, (time.time() - (7200 if index == 0 else 100 - index),) * 2)
    desk.sweep()
    assert [path.exists() for path in files] == [False, True, True, True]
    assert not files[0].parent.exists()
    desk.limits = type(desk.limits)(store=2500)
    desk.sweep()
    assert [path.exists() for path in files] == [False, False, True, True]


def test_a_guess_is_by_the_picture_nearest_in_size_and_too_long_a_job_is_refused_before_it_starts(
    models: Models,
) -> None:
    pace = Pace()
    assert pace.guess("m", 100) is None
    pace.note("m", 100, 1.0)
    pace.note("m", 10_000, 50.0)
    assert (pace.guess("m", 200), pace.guess("m", 20_000), pace.guess("m", 9_000)) == (2.0, 100.0, 50.0)
    translating = Translating(models)
    translating.pace.note(("both", "AtoB"), 100, 10_000.0)
    photo = upload(models.desk, "a.png", encode(picture(1, 50, 30), ".png"))
    with pytest.raises(UsageError, match=r"would take both about .* min, .* Send a smaller one"):
        translating(photo, "both", "AtoB")
    assert [spoken(seconds) for seconds in (0.84, 12.3, 600)] == ["0.8 s", "12 s", "10 min"]


def test_a_model_that_wants_to_be_told_the_damage_is_told_it_or_asks_for_it(models: Models, own_place: Path) -> None:
    place = own_place / "checkpoints" / "known"
    place.mkdir()
    bundle(place / "weights.safetensors", Denoise(sigma=(5.0, 40.0), known=True))
    assert (models.strengths("known"), models.strengths("both")) == ((5.0, 40.0), None)
    assert strength_told(models, "known", 20.0) == 20.0
    assert strength_told(models, "both", 20.0) is None
    for strength in (None, 4.0, 41.0):
        with pytest.raises(UsageError, match="how strong the damage is: from 5 to 40"):
            strength_told(models, "known", strength)
    photo = models.examples("known")[0]
    weak, strong = (Translating(models)(photo, "known", strength=strength).after for strength in (5.0, 40.0))
    assert not np.array_equal(np.asarray(weak), np.asarray(strong))


def test_holes_are_what_is_transparent_or_what_a_mask_has_white(models: Models, own_place: Path) -> None:
    place = own_place / "checkpoints" / "fills"
    place.mkdir()
    bundle(place / "weights.safetensors", Inpaint())
    whole = picture(2, 40, 40)
    marked = Image.new("L", whole.size, 0)
    marked.paste(255, (10, 10, 20, 20))
    holed = whole.copy()
    holed.putalpha(ImageOps.invert(marked))
    plain, mask, transparent = (
        upload(models.desk, name, encode(image, ".png"))
        for name, image in (("a.png", whole), ("m.png", marked.convert("RGB")), ("h.png", holed))
    )
    translating = Translating(models)
    by_mask, by_alpha = translating(plain, "fills", mask=mask).after, translating(transparent, "fills").after
    known = np.asarray(marked) == 0
    assert np.array_equal(np.asarray(by_mask)[known], np.asarray(whole)[known])
    assert np.array_equal(np.asarray(by_alpha)[known], np.asarray(whole)[known])
    assert not np.array_equal(np.asarray(by_mask), np.asarray(whole))
    with pytest.raises(UsageError, match="nothing in this photo is transparent"):
        translating(plain, "fills")
    with pytest.raises(UsageError, match="another size"):
        translating(plain, "fills", mask=upload(models.desk, "s.png", encode(picture(0, 20, 40), ".png")))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--auth", "lab"], "NAME:PASSWORD"),
        (["--max-pixels", "many"], "200MP"),
        (["--mcp"], 'pip install "gradio[mcp]"'),
        (["--clips"], "pip install av"),
    ],
)
def test_a_wrong_flag_of_the_demo_is_one_message_before_anything_is_served(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "find_spec", lambda name: None)
    monkeypatch.setattr(server.Server, "__enter__", lambda self: pytest.fail("it is served"))
    done = run("demo", *words)
    assert done.returncode == 2
    assert said in done.stderr
