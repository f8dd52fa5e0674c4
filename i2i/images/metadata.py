"""Metadata of image files: what a result copies from its source, and what it states about the model that made it.

Only listed tags are copied: how an image was taken and who owns it. Locations, thumbnails (which show the original) and
maker notes (which may contain anything) are never copied.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal
from xml.etree import ElementTree

from PIL import Image, ImageCms

ProvenanceKind = Literal["composite", "trained"]

# EXIF tags
_EXIF_IFD = 0x8769
_SOFTWARE = 0x0131
_COLOUR_SPACE = 0xA001
_SRGB, _UNCALIBRATED = 1, 0xFFFF  # values of the colour space
_WIDTH = 0xA002
_HEIGHT = 0xA003
_DESCRIPTION_MAKE_MODEL = {0x010E, 0x010F, 0x0110}
_DATE_ARTIST_COPYRIGHT = {0x0132, 0x013B, 0x8298}
_ORIENTATION = 0x0112
_X_RESOLUTION = 0x011A
_Y_RESOLUTION = 0x011B
_RESOLUTION_UNIT = 0x0128
_INCHES_BY_UNIT = {2: 1.0, 3: 1 / 2.54}  # inch and centimetre; an image without unit has no resolution
_JFIF_UNITS = (1, 2)  # inch and centimetre
_KEPT_TAGS = _DESCRIPTION_MAKE_MODEL | _DATE_ARTIST_COPYRIGHT
_EXPOSURE = {0x829A, 0x829D, 0x8822, 0x8824, 0x8827, *range(0x8830, 0x8836)}
_TIMES = {0x9000, 0x9003, 0x9004, 0x9010, 0x9011, 0x9012, 0x9290, 0x9291, 0x9292}
_SHUTTER_TO_FOCAL_LENGTH = set(range(0x9201, 0x920B))
_SENSOR_AND_SCENE = {0xA20E, 0xA20F, 0xA210, 0xA215, 0xA217, *range(0xA401, 0xA40B), 0xA40C}
_LENS = {0xA432, 0xA433, 0xA434}
_KEPT_EXIF_TAGS = _EXPOSURE | _TIMES | _SHUTTER_TO_FOCAL_LENGTH | _SENSOR_AND_SCENE | _LENS

_MAX_EXIF_BYTES = 60_000  # a JPEG segment holds 65,533
_MAX_XMP_BYTES = 1_000_000
_MAX_CREDIT_CHARACTERS = 2000
_MAX_CREATORS = 10
_MAX_DURATION = 3_600_000.0  # milliseconds
_MAX_PLAYS = 60_000
_MAX_DPI = 100_000.0

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
_TRAINED = "trainedAlgorithmicMedia"
_SOURCE_TYPE_BY_KIND = {"composite": "compositeWithTrainedAlgorithmicMedia", "trained": _TRAINED}
# Dublin Core properties that are copied, and the XMP container of each.
_CREDITS = {"creator": "Seq", "rights": "Alt", "title": "Alt", "description": "Alt"}


@dataclass(frozen=True)
class SourceMetadata:
    """Metadata of a source file that a result may copy.

    Args:
        exif: an EXIF block of the listed tags; may be empty.
        credits: Dublin Core property to values, such as {"creator": ("Ann",)}.
        generated: whether the file states that a model made all of it.
        print_size: width and height of the upright image in inches; None if the file states no resolution.
        duration: milliseconds for which a frame of an animation is shown; 0 for other images.
        plays: how often an animation plays; 0 for ever.
        profile: ICC profile that results get instead of sRGB; empty for sRGB.
    """

    exif: bytes = b""
    credits: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    generated: bool = False
    print_size: tuple[float, float] | None = None
    duration: float = 0.0
    plays: int = 0
    profile: bytes = b""

    def dpi(self, size: tuple[int, int]) -> tuple[float, float] | None:
        """Return the resolution in pixels per inch at which ``size`` pixels have the print size of the source.

        Returns: horizontal and vertical resolution; None if the source states none, or if no file can store it.
        """
        if self.print_size is None:
            return None
        width, height = self.print_size
        return _valid_dpi((size[0] / width, size[1] / height))


@dataclass(frozen=True)
class Provenance:
    """The model that made an image.

    Args:
        model: name of the model.
        version: identifies the weights among models of the same name.
        maker: name and version of the program, such as "i2i 0.1.0".
        kind: "composite" if the model changed an existing image, "trained" if it generated all of it.
    """

    model: str
    version: str
    maker: str
    kind: ProvenanceKind = "composite"


def read_source_metadata(image: Image.Image) -> SourceMetadata:
    """Return the metadata of an opened file that a result may copy, without damaged parts."""
    credits, generated = _read_credits(image.info.get("xmp", b""))
    return SourceMetadata(
        exif=_kept_exif(image),
        credits=credits,
        generated=generated,
        print_size=_print_size(image),
        duration=_frame_duration(image),
        plays=_plays(image),
    )


def _frame_duration(image: Image.Image) -> float:
    """Return for how many milliseconds the current frame of an animation is shown; 0 if the file does not say."""
    try:
        duration = float(image.info.get("duration", 0))
    except (TypeError, ValueError):
        return 0.0
    return duration if 0 <= duration <= _MAX_DURATION else 0.0


def _plays(image: Image.Image) -> int:
    """Return how often an animation plays; 0 for ever. A GIF states how often it is repeated, if at all."""
    try:
        loop = int(image.info.get("loop", -1))
    except (TypeError, ValueError):
        return 0
    if image.format == "GIF":
        return 0 if loop == 0 else min(max(loop, 0) + 1, _MAX_PLAYS)
    return min(max(loop, 0), _MAX_PLAYS)


def _print_size(image: Image.Image) -> tuple[float, float] | None:
    """Return width and height in inches of the upright image; None if the file states no resolution."""
    try:
        exif = image.getexif()
        dpi = _valid_dpi(_stored_dpi(image)) or _exif_dpi(exif)
        is_transposed = exif.get(_ORIENTATION, 1) in (5, 6, 7, 8)
    except Exception:  # Pillow raises all kinds of errors for damaged EXIF
        return None
    if dpi is None:
        return None
    inches = image.width / dpi[0], image.height / dpi[1]
    return inches[::-1] if is_transposed else inches


def _stored_dpi(image: Image.Image) -> Any:
    """Return the resolution that the format itself stores, if any.

    For a JPEG it is that of JFIF: Pillow claims 72 dpi where EXIF states none.
    """
    if image.format in ("JPEG", "MPO") and image.info.get("jfif_unit") not in _JFIF_UNITS:
        return None
    return image.info.get("dpi")


def _exif_dpi(exif: Image.Exif) -> tuple[float, float] | None:
    inches = _INCHES_BY_UNIT.get(exif.get(_RESOLUTION_UNIT, 2))
    if inches is None or not {_X_RESOLUTION, _Y_RESOLUTION} <= exif.keys():
        return None
    return _valid_dpi((float(exif[_X_RESOLUTION]) / inches, float(exif[_Y_RESOLUTION]) / inches))


def _valid_dpi(dpi: Any) -> tuple[float, float] | None:
    """Return a resolution in pixels per inch as floats; None if it is no resolution that a file can store."""
    try:
        horizontal, vertical = map(float, dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    is_valid = all(math.isfinite(value) and 1 <= value <= _MAX_DPI for value in (horizontal, vertical))
    return (horizontal, vertical) if is_valid else None


def _kept_exif(image: Image.Image) -> bytes:
    """Return an EXIF block with the listed tags of an image; empty if it has none or is damaged."""
    try:
        stored = image.getexif()
        kept = Image.Exif()
        kept.update({tag: stored[tag] for tag in _KEPT_TAGS if tag in stored})
        details = {tag: value for tag, value in stored.get_ifd(_EXIF_IFD).items() if tag in _KEPT_EXIF_TAGS}
        if details:
            kept.get_ifd(_EXIF_IFD).update(details)
        data = kept.tobytes() if len(kept) or details else b""
    except Exception:  # Pillow raises all kinds of errors for damaged EXIF
        return b""
    return data if len(data) <= _MAX_EXIF_BYTES else b""


def _read_credits(xmp: bytes | str) -> tuple[dict[str, tuple[str, ...]], bool]:
    """Return the Dublin Core credits of an XMP packet, and whether it states that a model made the image."""
    data = xmp.encode() if isinstance(xmp, str) else xmp
    if not data or len(data) > _MAX_XMP_BYTES or b"<!ENTITY" in data:  # nested entities can expand without limit
        return {}, False
    try:
        root = ElementTree.fromstring(data.strip(b"\0 \r\n\t"))
    except (ElementTree.ParseError, ValueError, LookupError):
        return {}, False
    credits = {name: values for name in _CREDITS if (values := _read_credit(root, name))}
    return credits, _is_generated(root)


def _read_credit(root: ElementTree.Element, name: str) -> tuple[str, ...]:
    entries = root.findall(f".//{{{_DC}}}{name}//{{{_RDF}}}li")
    texts = [entry.text.strip() for entry in entries if entry.text]
    values = tuple(text[:_MAX_CREDIT_CHARACTERS] for text in texts if text)
    return values[:1] if _CREDITS[name] == "Alt" else values[:_MAX_CREATORS]


def _is_generated(root: ElementTree.Element) -> bool:
    key = f"{{{_IPTC}}}DigitalSourceType"
    types = [node.get(key) or node.findtext(key) or "" for node in root.iter(f"{{{_RDF}}}Description")]
    return any(type.strip().endswith("/" + _TRAINED) for type in types)


def build_exif(source: SourceMetadata, size: tuple[int, int], provenance: Provenance | None) -> bytes:
    """Build the EXIF block of a result.

    Args:
        source: metadata to copy.
        size: width and height of the result in pixels.
        provenance: the model to name; None for no statement.
    """
    exif = Image.Exif()
    if source.exif:
        exif.load(source.exif)
    if provenance:
        exif[_SOFTWARE] = f"{provenance.maker} ({provenance.model})"
    if dpi := source.dpi(size):
        exif.update({_X_RESOLUTION: dpi[0], _Y_RESOLUTION: dpi[1], _RESOLUTION_UNIT: 2})
    if not len(exif):
        return b""
    exif.get_ifd(_EXIF_IFD).update(
        {_COLOUR_SPACE: _UNCALIBRATED if source.profile else _SRGB, _WIDTH: size[0], _HEIGHT: size[1]}
    )
    return exif.tobytes()


def build_xmp(source: SourceMetadata, provenance: Provenance | None) -> bytes:
    """Build the XMP packet of a result: its credits, and that a model made it (IPTC, Digital Source Type)."""
    properties: dict[str, str] = {}
    if provenance:
        source_type = _SOURCE_TYPE_BY_KIND["trained" if source.generated else provenance.kind]
        properties = {
            "Iptc4xmpExt:DigitalSourceType": _SOURCE_TYPES + source_type,
            "Iptc4xmpExt:AISystemUsed": f"{provenance.maker}, model {provenance.model}",
            "Iptc4xmpExt:AISystemVersionUsed": provenance.version,
            "xmp:CreatorTool": provenance.maker,
        }
    if not properties and not source.credits:
        return b""
    from xml.sax.saxutils import quoteattr  # it imports urllib, which readers do without

    attributes = "".join(f"\n   {name}={quoteattr(_xml_safe(value))}" for name, value in properties.items())
    elements = "".join(_credit_element(name, values) for name, values in sorted(source.credits.items()))
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="{_RDF}">\n  <rdf:Description rdf:about="" xmlns:dc="{_DC}" xmlns:Iptc4xmpExt="{_IPTC}"'
        f' xmlns:xmp="http://ns.adobe.com/xap/1.0/"{attributes}>{elements}</rdf:Description>\n'
        ' </rdf:RDF></x:xmpmeta>\n<?xpacket end="r"?>'
    ).encode()


def provenance_comment(provenance: Provenance) -> str:
    """Return one line that states the provenance, for files that cannot store XMP."""
    made_by = f"{provenance.maker}, model {provenance.model} {provenance.version}"
    return f"Made by a model: {made_by}. DigitalSourceType {_SOURCE_TYPES}{_SOURCE_TYPE_BY_KIND[provenance.kind]}"


def _credit_element(name: str, values: tuple[str, ...]) -> str:
    from xml.sax.saxutils import escape

    container = _CREDITS[name]
    language = ' xml:lang="x-default"' if container == "Alt" else ""
    entries = "".join(f"<rdf:li{language}>{escape(_xml_safe(value))}</rdf:li>" for value in values)
    return f"\n   <dc:{name}><rdf:{container}>{entries}</rdf:{container}></dc:{name}>"


def _xml_safe(text: str) -> str:
    """Replace the characters that XML cannot contain."""
    return "".join(character if character.isprintable() or character in "\t\n" else "\ufffd" for character in text)


@cache
def srgb_profile() -> bytes:
    """Return the ICC profile of written files. A fixed creation time makes its bytes the same every day."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[24:36] = bytes((7, 208, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))  # midnight of 1 January 2000
    data[84:100] = bytes(16)  # no checksum
    return bytes(data)
