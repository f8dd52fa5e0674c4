"""Recognition of file types by their first bytes, whatever the file's name."""

# (offset, bytes at the offset, name, whether i2i reads it without an extra)
_IMAGE_SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG", True), (0, b"\x89PNG", "PNG", True), (8, b"WEBP", "WebP", True),
    (0, b"II*\0", "TIFF", True), (0, b"MM\0*", "TIFF", True), (0, b"II+\0", "TIFF", True),
    (0, b"MM\0+", "TIFF", True), (4, b"ftypavif", "AVIF", True),
    (4, b"ftypavis", "AVIF", True), (0, b"GIF8", "GIF", True), (0, b"\0\0\0\x0cjP  ", "JPEG 2000", True),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000", True), (4, b"ftyphei", "HEIC", False), (4, b"ftypmif1", "HEIC", False),
    (4, b"ftyphev", "HEIC", False), (0, b"8BPS", "Photoshop", False), (0, b"\0\0\1\0", "icon", False),
    (0, b"\xff\x0a", "JPEG XL", False), (4, b"JXL ", "JPEG XL", False), (0, b"FUJIFILM", "raw camera", False),
    (0, b"P5\n", "PGM", True), (0, b"P6\n", "PPM", True), (0, b"\x93NUMPY", "NumPy", True),
)  # fmt: skip
_OTHER_SIGNATURES = (
    (b"%PDF", "a PDF"), (b"%!PS", "a PostScript drawing"), (b"\xc5\xd0\xd3\xc6", "a PostScript drawing"),
    (b"PK\3\4", "a zip archive"), (b"\x1f\x8b", "a gzip archive"), (b"\x7fELF", "a program"), (b"MZ", "a program"),
)  # fmt: skip


def sniff_image_format(head: bytes) -> tuple[str, bool] | None:
    """Recognise an image format by the first bytes of a file.

    Returns: the format's name and whether i2i reads it without an extra; None if it is no known image format.
    """
    for offset, magic, name, readable in _IMAGE_SIGNATURES:
        if head.startswith(magic, offset):
            return name, readable
    if head.startswith(b"BM") and head[6:10] == bytes(4):  # two letters alone may begin a text
        return "BMP", True
    return None


def describe_non_image(head: bytes) -> str:
    """Describe the content of a file that is not an image by its first bytes, such as "a web page"."""
    for magic, name in _OTHER_SIGNATURES:
        if head.startswith(magic):
            return name
    if any(byte < 32 and byte not in b"\t\n\r\f" for byte in head):
        return "unknown content"
    lower = head.lower()
    if b"<svg" in lower:
        return "an SVG drawing"
    return "a web page" if b"<html" in lower or b"<!doctype" in lower else "a text"


def jpeg_bits(data: bytes) -> int | None:
    """Return the bits of the samples of a JPEG, by the header of its frame (ITU-T T.81, B.2.2); None if it has none."""
    position = 2
    while position + 5 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return data[position + 4]
        position += 2 + int.from_bytes(data[position + 2 : position + 4])
    return None
