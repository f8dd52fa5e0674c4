"""What a file is by its first bytes, whatever its name says."""

# (offset, bytes there, what it is, whether i2i reads it)
_PICTURES = (
    (0, b"\xff\xd8\xff", "JPEG", True), (0, b"\x89PNG", "PNG", True), (8, b"WEBP", "WebP", True),
    (0, b"II*\0", "TIFF", True), (0, b"MM\0*", "TIFF", True), (4, b"ftypavif", "AVIF", True),
    (4, b"ftypavis", "AVIF", True), (0, b"GIF8", "GIF", True), (0, b"\0\0\0\x0cjP  ", "JPEG 2000", True),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000", True), (4, b"ftyphei", "HEIC", False), (4, b"ftypmif1", "HEIC", False),
    (4, b"ftyphev", "HEIC", False), (0, b"8BPS", "Photoshop", False), (0, b"\0\0\1\0", "icon", False),
    (0, b"\xff\x0a", "JPEG XL", False), (4, b"JXL ", "JPEG XL", False), (0, b"FUJIFILM", "raw camera", False),
)  # fmt: skip
_OTHERS = (
    (b"%PDF", "a PDF"), (b"%!PS", "a PostScript drawing"), (b"\xc5\xd0\xd3\xc6", "a PostScript drawing"),
    (b"PK\3\4", "a zip archive"), (b"\x1f\x8b", "a gzip archive"), (b"\x7fELF", "a program"), (b"MZ", "a program"),
)  # fmt: skip


def picture_kind(head: bytes) -> tuple[str, bool] | None:
    """The kind of picture that begins so, and whether i2i reads it without an extra; None where it looks like none."""
    for offset, magic, name, readable in _PICTURES:
        if head.startswith(magic, offset):
            return name, readable
    return None


def other_kind(head: bytes) -> str:
    """What begins so and is no picture, such as "a web page"."""
    for magic, name in _OTHERS:
        if head.startswith(magic):
            return name
    if any(byte < 32 and byte not in b"\t\n\r\f" for byte in head):
        return "unknown content"
    lower = head.lower()
    if b"<svg" in lower:
        return "an SVG drawing"
    return "a web page" if b"<html" in lower or b"<!doctype" in lower else "a text"
