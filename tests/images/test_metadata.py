import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from i2i.images import Provenance, Writer, load_image

IMAGE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8))
MODEL = Provenance('a "b" <c> & d', "1", "i2i 0.1.0")
CREATOR = "<dc:creator><rdf:Seq><rdf:li>Ann &amp; Ben</rdf:li><rdf:li>Cyd</rdf:li></rdf:Seq></dc:creator>"
RIGHTS = (
    '<dc:rights><rdf:Alt><rdf:li xml:lang="x-default">© Ann</rdf:li><rdf:li xml:lang="de">(c)</rdf:li></rdf:Alt>'
    "</dc:rights>"
)
CITY = '<photoshop:City xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/">Ulm</photoshop:City>'
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"


def packet(elements: str, attributes: str = "") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" {attributes}>{elements}'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def camera_exif() -> Image.Exif:
    """Return EXIF of a camera: exposure, location, orientation, serial number, maker note."""
    exif = Image.Exif()
    exif.update({0x010F: "Maker", 0x0110: "Camera", 0x013B: "Ann", 0x0112: 6, 0x011A: 300.0, 0x011B: 300.0, 0x0128: 2})
    exif.get_ifd(0x8769).update(
        {0x829A: 0.004, 0x8827: 200, 0x9003: "2024:05:06 07:08:09", 0x927C: b"where it was", 0xA431: "SN-123"}
    )
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 24.0, 0.0), 3: "E", 4: (10.0, 0.0, 0.0)})
    return exif


def save_photo(folder: Path, **options: Any) -> Path:
    IMAGE.save(folder / "photo.jpg", **options)
    return folder / "photo.jpg"


def rewrite(path: Path, suffix: str = ".jpg", **options: Any) -> Image.Image:
    loaded = load_image(path)
    return Image.open(io.BytesIO(Writer(suffix=suffix, **options)(loaded.image, loaded)))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".avif", ".tif"])
def test_a_result_copies_how_the_source_was_taken_but_not_where(tmp_path: Path, suffix: str) -> None:
    exif = rewrite(save_photo(tmp_path, exif=camera_exif()), suffix).getexif()
    details = exif.get_ifd(0x8769)
    assert (exif[0x010F], exif[0x0110], exif[0x013B]) == ("Maker", "Camera", "Ann")
    assert (float(details[0x829A]), details[0x8827], details[0x9003]) == (0.004, 200, "2024:05:06 07:08:09")
    assert exif.get_ifd(0x8825) == {}
    assert 0x0112 not in exif or suffix == ".tif"
    assert not {0x927C, 0xA431} & set(details)


def test_location_and_maker_note_are_not_copied(tmp_path: Path) -> None:
    loaded = load_image(save_photo(tmp_path, exif=camera_exif()))
    assert b"where it was" not in loaded.source.exif
    assert b"SN-123" not in loaded.source.exif
    assert b"Camera" in loaded.source.exif


def test_size_and_colour_space_are_those_of_the_result(tmp_path: Path) -> None:
    image = rewrite(save_photo(tmp_path, exif=camera_exif()))
    assert image.size == (20, 24)  # rotated upright
    details = image.getexif().get_ifd(0x8769)
    assert (details[0xA002], details[0xA003], details[0xA001]) == (20, 24, 1)


def test_strip_copies_nothing_of_the_source(tmp_path: Path) -> None:
    path = save_photo(tmp_path, exif=camera_exif(), xmp=packet(CREATOR))
    image = rewrite(path, policy="strip")
    assert dict(image.getexif()) == {}
    assert "xmp" not in image.info
    assert b"Ann" not in rewrite(path, policy="strip", provenance=MODEL).info["xmp"]


def test_credits_are_copied_and_the_location_is_not(tmp_path: Path) -> None:
    xmp = rewrite(save_photo(tmp_path, xmp=packet(CREATOR + RIGHTS + CITY))).info["xmp"]
    assert b"Ulm" not in xmp
    root = ElementTree.fromstring(xmp)
    credits = {
        name: [entry.text for entry in root.iter() if entry.tag.endswith("}li") and entry.text in texts]
        for name, texts in (("creator", ("Ann & Ben", "Cyd")), ("rights", ("© Ann",)))
    }
    assert credits == {"creator": ["Ann & Ben", "Cyd"], "rights": ["© Ann"]}


def test_provenance_is_valid_xml_for_any_model_name(tmp_path: Path) -> None:
    xmp = rewrite(save_photo(tmp_path), provenance=MODEL).info["xmp"]
    (description,) = (node for node in ElementTree.fromstring(xmp).iter() if node.tag.endswith("Description"))
    assert description.get(f"{{{IPTC}}}AISystemUsed") == 'i2i 0.1.0, model a "b" <c> & d'


@pytest.mark.parametrize(
    "element",
    ["<Iptc4xmpExt:DigitalSourceType>{}</Iptc4xmpExt:DigitalSourceType>", ""],
    ids=["an element", "an attribute"],
)
def test_a_result_of_a_generated_image_is_marked_as_generated(tmp_path: Path, element: str) -> None:
    term = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
    attribute = "" if element else f'Iptc4xmpExt:DigitalSourceType="{term}"'
    xmp = packet(element.format(term), f'xmlns:Iptc4xmpExt="{IPTC}" {attribute}')
    result_xmp = rewrite(save_photo(tmp_path, xmp=xmp), provenance=MODEL).info["xmp"]
    assert b"digitalsourcetype/trainedAlgorithmicMedia" in result_xmp


def test_an_image_generated_from_noise_is_marked_as_generated() -> None:
    generator = Provenance("shapes", "1", "i2i", "trained")
    with Image.open(io.BytesIO(Writer(provenance=generator)(IMAGE))) as image:
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
def test_damaged_or_hostile_xmp_is_ignored(tmp_path: Path, xmp: bytes) -> None:
    loaded = load_image(save_photo(tmp_path, xmp=xmp) if xmp else save_photo(tmp_path))
    assert loaded.source.credits == {}


def test_an_image_with_damaged_exif_is_read(tmp_path: Path) -> None:
    whole = camera_exif().tobytes()
    for cut in (10, 30, 60, 100):
        IMAGE.save(tmp_path / "photo.png", exif=whole[:cut])
        loaded = load_image(tmp_path / "photo.png")
        assert sorted(loaded.image.size) == [20, 24]


def test_long_credits_are_shortened_to_fit_into_a_jpeg(tmp_path: Path) -> None:
    creators = "".join(f"<rdf:li>{index} {'x' * 9000}</rdf:li>" for index in range(100))
    IMAGE.save(tmp_path / "photo.webp", xmp=packet(f"<dc:creator><rdf:Seq>{creators}</rdf:Seq></dc:creator>"))
    assert b"DigitalSourceType" in rewrite(tmp_path / "photo.webp", provenance=MODEL).info["xmp"]


def camera_exif_without_resolution() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0110] = "Camera"
    return exif


def resolution(image: Image.Image) -> tuple[float, float]:
    """Return pixels per inch as the format stores them: pHYs, JFIF, TIFF tags, else EXIF."""
    image.load()
    dpi = image.info.get("dpi") or (image.getexif()[0x011A], image.getexif()[0x011B])
    return float(dpi[0]), float(dpi[1])


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".avif", ".tif"])
@pytest.mark.parametrize("source", ["scan.png", "scan.jpg", "scan.tif", "exif.png", "exif.webp"])
def test_a_result_has_the_resolution_of_its_source(tmp_path: Path, source: str, suffix: str) -> None:
    path = tmp_path / source
    exif = Image.Exif()
    exif.update({0x011A: 300.0, 0x011B: 300.0})  # the unit is the inch where none is stated
    IMAGE.save(path, **({"exif": exif} if path.stem == "exif" else {"dpi": (300, 300)}))
    assert resolution(rewrite(path, suffix)) == pytest.approx((300, 300), abs=0.01)


def test_a_resolution_in_centimetres_is_converted(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif.update({0x011A: 100.0, 0x011B: 200.0, 0x0128: 3})
    IMAGE.save(tmp_path / "scan.webp", exif=exif)
    assert resolution(rewrite(tmp_path / "scan.webp")) == pytest.approx((254, 508), abs=0.02)


def test_an_enlarged_result_keeps_the_print_size(tmp_path: Path) -> None:
    IMAGE.save(tmp_path / "scan.jpg", dpi=(150, 150))
    loaded = load_image(tmp_path / "scan.jpg")
    enlarged = loaded.image.resize((48, 40))
    assert resolution(Image.open(io.BytesIO(Writer()(enlarged, loaded)))) == pytest.approx((300, 300), abs=0.01)


def test_the_two_resolutions_of_a_rotated_image_are_exchanged(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    IMAGE.save(tmp_path / "fax.jpg", exif=exif, dpi=(200, 100))
    assert resolution(rewrite(tmp_path / "fax.jpg")) == pytest.approx((100, 200), abs=0.02)


@pytest.mark.parametrize("options", [{}, {"exif": camera_exif_without_resolution()}, {"dpi": (0, 0)}])
def test_no_resolution_is_invented(tmp_path: Path, options: dict[str, Any]) -> None:
    IMAGE.save(tmp_path / "plain.jpg", **options)
    image = rewrite(tmp_path / "plain.jpg", provenance=MODEL)
    assert image.info.get("jfif_unit") == 0
    assert 0x011A not in image.getexif()
    assert "dpi" not in rewrite(tmp_path / "plain.jpg", ".png").info


def test_strip_copies_no_resolution(tmp_path: Path) -> None:
    IMAGE.save(tmp_path / "scan.png", dpi=(300, 300))
    assert "dpi" not in rewrite(tmp_path / "scan.png", policy="strip").info
