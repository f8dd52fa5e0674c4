"""What a picture's file says besides its pixels: what is kept of a source, and what is said of a result.

Kept is what is on a list: how a picture was taken and whose it is. Where it was taken is not on it, nor are thumbnails,
which show the original, nor maker notes, in which anything may stand.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Literal
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from PIL import Image, ImageCms

Kind = Literal["composite", "trained"]
_EXIF_IFD, _SOFTWARE, _COLOUR_SPACE, _WIDTH, _HEIGHT = 0x8769, 0x0131, 0xA001, 0xA002, 0xA003
_DESCRIPTION_MAKE_MODEL = {0x010E, 0x010F, 0x0110}
_DATE_ARTIST_RIGHTS = {0x0132, 0x013B, 0x8298}
_RESOLUTION = {0x011A, 0x011B, 0x0128}
_KEPT = _DESCRIPTION_MAKE_MODEL | _DATE_ARTIST_RIGHTS | _RESOLUTION
_EXPOSURE = {0x829A, 0x829D, 0x8822, 0x8824, 0x8827, *range(0x8830, 0x8836)}
_TIMES = {0x9000, 0x9003, 0x9004, 0x9010, 0x9011, 0x9012, 0x9290, 0x9291, 0x9292}
_SHUTTER_TO_FOCAL_LENGTH = set(range(0x9201, 0x920B))
_SENSOR_AND_SCENE = {0xA20E, 0xA20F, 0xA210, 0xA215, 0xA217, *range(0xA401, 0xA40B), 0xA40C}
_LENS = {0xA432, 0xA433, 0xA434}
_KEPT_EXIF = _EXPOSURE | _TIMES | _SHUTTER_TO_FOCAL_LENGTH | _SENSOR_AND_SCENE | _LENS
_LARGEST = 60_000  # bytes; a JPEG's segment holds 65,533
_LARGEST_XMP = 1_000_000
_LONGEST, _MOST = 2000, 10  # letters of a credit, creators
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_TRAINED = "trainedAlgorithmicMedia"
_TERMS = {"composite": "compositeWithTrainedAlgorithmicMedia", "trained": _TRAINED}
# Whose picture it is, in the Dublin Core's words, and how each is written in XMP.
_CREDITS = {"creator": "Seq", "rights": "Alt", "title": "Alt", "description": "Alt"}


@dataclass(frozen=True)
class Source:
    """What a source's file says and a result may repeat.

    exif: a block of the tags that are kept. credits: Dublin Core, such as {"creator": ("Ann",)}. generated: it says of
    itself that a model made all of it.
    """

    exif: bytes = b""
    credits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    generated: bool = False


@dataclass(frozen=True)
class Provenance:
    """Which model made a picture. kind: of an existing picture ("composite"), or from nothing ("trained").

    version: tells this state of the model from others of its name.
    """

    model: str
    version: str
    maker: str  # such as "i2i 0.1.0"
    kind: Kind = "composite"


def source_of(image: Image.Image) -> Source:
    """What is kept of an opened file; nothing of what is damaged."""
    credits, generated = _credits(image.info.get("xmp", b""))
    return Source(_capture(image), credits, generated)


def _capture(image: Image.Image) -> bytes:
    try:
        stored = image.getexif()
        kept = Image.Exif()
        kept.update({tag: stored[tag] for tag in _KEPT if tag in stored})
        details = {tag: value for tag, value in stored.get_ifd(_EXIF_IFD).items() if tag in _KEPT_EXIF}
        if details:
            kept.get_ifd(_EXIF_IFD).update(details)
        data = kept.tobytes() if len(kept) or details else b""
    except Exception:  # EXIF is parsed by trust: damaged, it raises what it likes
        return b""
    return data if len(data) <= _LARGEST else b""


def _credits(xmp: bytes | str) -> tuple[dict[str, tuple[str, ...]], bool]:
    data = xmp.encode() if isinstance(xmp, str) else xmp
    if not data or len(data) > _LARGEST_XMP or b"<!ENTITY" in data:  # entities may grow without end
        return {}, False
    try:
        root = ElementTree.fromstring(data.strip(b"\0 \r\n\t"))
    except (ElementTree.ParseError, ValueError, LookupError):
        return {}, False
    found: dict[str, tuple[str, ...]] = {}
    for name in _CREDITS:
        entries = root.findall(f".//{{{_DC}}}{name}//{{{_RDF}}}li")
        said = tuple(entry.text.strip()[:_LONGEST] for entry in entries if entry.text and entry.text.strip())
        if said:
            found[name] = said[:1] if _CREDITS[name] == "Alt" else said[:_MOST]
    key = f"{{{_IPTC}}}DigitalSourceType"
    types = [node.get(key) or node.findtext(key) or "" for node in root.iter(f"{{{_RDF}}}Description")]
    return found, any(type.strip().endswith("/" + _TRAINED) for type in types)


def result_exif(source: Source, size: tuple[int, int], provenance: Provenance | None) -> bytes:
    """The EXIF block of a result in sRGB, of this width and height."""
    exif = Image.Exif()
    if source.exif:
        exif.load(source.exif)
    if provenance:
        exif[_SOFTWARE] = f"{provenance.maker} ({provenance.model})"
    if not len(exif):
        return b""
    exif.get_ifd(_EXIF_IFD).update({_COLOUR_SPACE: 1, _WIDTH: size[0], _HEIGHT: size[1]})
    return exif.tobytes()


def result_xmp(source: Source, provenance: Provenance | None) -> bytes:
    """The XMP packet of a result: whose picture it is, and that a model made it (IPTC, Digital Source Type)."""
    said: dict[str, str] = {}
    if provenance:
        term = _TERMS["trained" if source.generated else provenance.kind]
        said = {
            "Iptc4xmpExt:DigitalSourceType": _SOURCE_TYPES + term,
            "Iptc4xmpExt:AISystemUsed": f"{provenance.maker}, model {provenance.model}",
            "Iptc4xmpExt:AISystemVersionUsed": provenance.version,
            "xmp:CreatorTool": provenance.maker,
        }
    if not said and not source.credits:
        return b""
    attributes = "".join(f"\n   {name}={quoteattr(_legal(value))}" for name, value in said.items())
    elements = "".join(_element(name, values) for name, values in sorted(source.credits.items()))
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{_RDF}">\n  <rdf:Description rdf:about="" xmlns:dc="{_DC}" xmlns:Iptc4xmpExt="{_IPTC}"'
        f' xmlns:xmp="http://ns.adobe.com/xap/1.0/"{attributes}>{elements}</rdf:Description>\n'
        ' </rdf:RDF></x:xmpmeta>\n<?xpacket end="r"?>'
    ).encode()


def digital_source(provenance: Provenance) -> str:
    """In one line, for files that hold no XMP."""
    made = f"{provenance.maker}, model {provenance.model} {provenance.version}"
    return f"Made by a model: {made}. DigitalSourceType {_SOURCE_TYPES}{_TERMS[provenance.kind]}"


def _element(name: str, values: tuple[str, ...]) -> str:
    kind = _CREDITS[name]
    language = ' xml:lang="x-default"' if kind == "Alt" else ""
    entries = "".join(f"<rdf:li{language}>{escape(_legal(value))}</rdf:li>" for value in values)
    return f"\n   <dc:{name}><rdf:{kind}>{entries}</rdf:{kind}></dc:{name}>"


def _legal(text: str) -> str:
    """Without what XML cannot hold."""
    return "".join(letter if letter.isprintable() or letter in "\t\n" else "\ufffd" for letter in text)


@cache
def srgb_profile() -> bytes:
    """The ICC profile of what is written; the same bytes every day, though profiles carry the time of their making."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[24:36] = bytes((7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))  # midnight of 1 January 2000
    data[84:100] = bytes(16)  # a checksum that was not made
    return bytes(data)
