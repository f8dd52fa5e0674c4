import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from i2i.images import Provenance, Writer, read_photo

PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8))
MODEL = Provenance('a "b" <c> & d', "1", "i2i 0.1.0")
CREATOR = "<dc:creator><rdf:Seq><rdf:li>Ann &amp; Ben</rdf:li><rdf:li>Cyd</rdf:li></rdf:Seq></dc:creator>"
RIGHTS = (
    '<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">© Ann</rdf:li><rdf:li xml:lang="de">(c)</rdf:li></rdf:Alt>'
    "</dc:rights>"
)
PLACE = '<photoshop:City xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/">Ulm</photoshop:City>'
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"


def packet(inside: str, attributes: str = "") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" {attributes}>{inside}'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def taken() -> Image.Exif:
    """As a camera writes it: an exposure, a place, an orientation, a serial number, a maker's note."""
    exif = Image.Exif()
    exif.update({0x010F: "Maker", 0x0110: "Camera", 0x013B: "Ann", 0x0112: 6, 0x011A: 300.0, 0x011B: 300.0, 0x0128: 2})
    exif.get_ifd(0x8769).update(
        {0x829A: 0.004, 0x8827: 200, 0x9003: "2024:05:06 07:08:09", 0x927C: b"where it was", 0xA431: "SN-123"}
    )
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 24.0, 0.0), 3: "E", 4: (10.0, 0.0, 0.0)})
    return exif


def photographed(folder: Path, **said: Any) -> Path:
    PICTURE.save(folder / "photo.jpg", **said)
    return folder / "photo.jpg"


def result(path: Path, suffix: str = ".jpg", **how: Any) -> Image.Image:
    photo = read_photo(path)
    return Image.open(io.BytesIO(Writer(suffix=suffix, **how)(photo.image, photo)))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".avif", ".tif"])
def test_a_result_keeps_how_its_source_was_taken_and_never_where(tmp_path: Path, suffix: str) -> None:
    exif = result(photographed(tmp_path, exif=taken()), suffix).getexif()
    details = exif.get_ifd(0x8769)
    assert (exif[0x010F], exif[0x0110], exif[0x013B]) == ("Maker", "Camera", "Ann")
    assert (float(details[0x829A]), details[0x8827], details[0x9003]) == (0.004, 200, "2024:05:06 07:08:09")
    assert exif.get_ifd(0x8825) == {}
    assert 0x0112 not in exif or suffix == ".tif"
    assert not {0x927C, 0xA431} & set(details)


def test_no_byte_of_the_place_or_the_makers_note_is_left(tmp_path: Path) -> None:
    photo = read_photo(photographed(tmp_path, exif=taken()))
    assert b"where it was" not in photo.source.exif
    assert b"SN-123" not in photo.source.exif
    assert b"Camera" in photo.source.exif


def test_the_size_and_the_colour_space_are_those_of_the_result(tmp_path: Path) -> None:
    image = result(photographed(tmp_path, exif=taken()))
    assert image.size == (20, 24)  # turned upright
    details = image.getexif().get_ifd(0x8769)
    assert (details[0xA002], details[0xA003], details[0xA001]) == (20, 24, 1)


def test_stripping_leaves_nothing_of_the_source(tmp_path: Path) -> None:
    path = photographed(tmp_path, exif=taken(), xmp=packet(CREATOR))
    image = result(path, policy="strip")
    assert dict(image.getexif()) == {}
    assert "xmp" not in image.info
    assert b"Ann" not in result(path, policy="strip", provenance=MODEL).info["xmp"]


def test_whose_picture_it_is_goes_along_and_where_it_was_taken_does_not(tmp_path: Path) -> None:
    xmp = result(photographed(tmp_path, xmp=packet(CREATOR + RIGHTS + PLACE))).info["xmp"]
    assert b"Ulm" not in xmp
    root = ElementTree.fromstring(xmp)
    found = {
        name: [entry.text for entry in root.iter() if entry.tag.endswith("}li") and entry.text in texts]
        for name, texts in (("creator", ("Ann & Ben", "Cyd")), ("rights", ("© Ann",)))
    }
    assert found == {"creator": ["Ann & Ben", "Cyd"], "rights": ["© Ann"]}


def test_what_is_said_of_a_model_is_sound_xml_whatever_its_name(tmp_path: Path) -> None:
    xmp = result(photographed(tmp_path), provenance=MODEL).info["xmp"]
    (description,) = (node for node in ElementTree.fromstring(xmp).iter() if node.tag.endswith("Description"))
    assert description.get(f"{{{IPTC}}}AISystemUsed") == 'i2i 0.1.0, model a "b" <c> & d'


@pytest.mark.parametrize(
    "inside",
    ["<Iptc4xmpExt:DigitalSourceType>{}</Iptc4xmpExt:DigitalSourceType>", ""],
    ids=["an element", "an attribute"],
)
def test_a_picture_that_says_it_was_made_by_a_model_stays_one(tmp_path: Path, inside: str) -> None:
    term = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    attribute = "" if inside else f'Iptc4xmpExt:DigitalSourceType="{term}"'
    xmp = packet(inside.format(term), f'xmlns:Iptc4xmpExt="{IPTC}" {attribute}')
    said = result(photographed(tmp_path, xmp=xmp), provenance=MODEL).info["xmp"]
    assert b"digitalsourcetype/trainedAlgorithmicMedia" in said


def test_a_picture_made_from_nothing_says_so() -> None:
    painter = Provenance("shapes", "1", "i2i", "trained")
    with Image.open(io.BytesIO(Writer(provenance=painter)(PICTURE))) as image:
        assert b"digitalsourcetype/trainedAlgorithmicMedia" in image.info["xmp"]


@pytest.mark.parametrize(
    "xmp",
    [
        b"<not xml",
        b"\xff\xfe broken",
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>',
        packet("<dc:creator>" + "x" * 50 + "</dc:creator>"),
        b"",
    ],
)
def test_damaged_or_hostile_xmp_is_left_out(tmp_path: Path, xmp: bytes) -> None:
    photo = read_photo(photographed(tmp_path, xmp=xmp) if xmp else photographed(tmp_path))
    assert photo.source.credits == {}


def test_damaged_exif_is_left_out_and_the_picture_is_read(tmp_path: Path) -> None:
    whole = taken().tobytes()
    for cut in (10, 30, 60, 100):
        PICTURE.save(tmp_path / "photo.png", exif=whole[:cut])
        photo = read_photo(tmp_path / "photo.png")
        assert sorted(photo.image.size) == [20, 24]


def test_a_source_that_has_much_to_say_is_cut_short_to_what_a_jpeg_can_hold(tmp_path: Path) -> None:
    people = "".join(f"<rdf:li>{index} {'x' * 9000}</rdf:li>" for index in range(100))
    PICTURE.save(tmp_path / "photo.webp", xmp=packet(f"<dc:creator><rdf:Seq>{people}</rdf:Seq></dc:creator>"))
    assert b"DigitalSourceType" in result(tmp_path / "photo.webp", provenance=MODEL).info["xmp"]
