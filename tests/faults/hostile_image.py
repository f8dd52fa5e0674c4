"""Hostile image files: damaged ones, lying headers, bombs, metadata that lie, and files that are no images."""

import io
import pickle
import random
import struct
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from PIL import Image, PngImagePlugin

from i2i.images import load_image, probe
from i2i.images.reading import measure_unfixed, read_header
from tests.conftest import random_image
from tests.faults import children
from tests.faults.attack import WRONG, Attack, Failure
from tests.faults.bounds import Canary, read_within_bounds, unexpected_files
from tests.faults.damage import damage
from tests.faults.operations import Shared

MAX_PIXELS = 4_000_000
MEMORY = 2**30  # bytes, about as much as a process that decodes such an image may take
SUFFIXES = ("png", "jpg", "webp", "tif", "gif", "bmp", "avif", "ppm", "ico", "jp2")
FORMATS = {"jpg": "JPEG", "tif": "TIFF", "jp2": "JPEG2000"}
SIDES = (0, 1, 7, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)


class HostileImage(Attack):
    """Decodes hostile images. Each must give an image within the limits, or be refused in words."""

    name = "hostile-image"
    runs_in_child = True

    def __init__(self, folder: Path, shared: Shared) -> None:
        super().__init__(folder, shared)
        self.images = {suffix: image_bytes(suffix) for suffix in SUFFIXES}
        for mode in ("I;16", "F", "P", "1", "RGBA", "CMYK"):
            self.images[f"{mode}.tif"] = image_bytes("tif", mode)
        children.limit_memory(MEMORY)

    def round(self, index: int, rng: random.Random, folder: Path) -> Failure | None:
        name, content = self._hostile_image(rng, folder / "executed")
        path = folder / f"image.{name.rpartition('.')[2]}"
        path.write_bytes(content)

        def decode() -> None:
            with suppress(MemoryError):  # a decoder process says so in a sentence
                image = load_image(path, 0, MAX_PIXELS).image
                assert image.width * image.height <= MAX_PIXELS
                assert image.mode == "RGB"

        def measure() -> None:
            with suppress(MemoryError):
                measure_unfixed(path, MAX_PIXELS)

        failure = read_within_bounds(lambda: probe(path), lambda: read_header(path), decode, measure)
        failure = failure or unexpected_files(folder, path.name)
        if failure is None and path.read_bytes() != content:
            failure = Failure(WRONG, "reading changed the file")
        return failure and Failure(failure.verdict, failure.what, self.fault)

    def _hostile_image(self, rng: random.Random, canary: Path) -> tuple[str, bytes]:
        name = rng.choice(list(self.images))
        content = self.images[name]
        ways: dict[str, Callable[[], bytes]] = {
            "damage": lambda: damage(content, rng)[0],
            "numbers": lambda: _hostile_numbers(content, rng),
            "png": lambda: _hostile_png(rng),
            "metadata": lambda: _hostile_metadata(rng),
            "tiff": lambda: _hostile_tiff(self.images["tif"], rng),
            "other": lambda: _no_image(rng, canary),
        }
        way = rng.choice(("damage", "damage", "numbers", "numbers", "png", "metadata", "tiff", "other"))
        self.fault = f"{name}: {way}"
        return name, ways[way]()


def image_bytes(suffix: str, mode: str = "RGB") -> bytes:
    image = random_image(3, 20, 16)
    if mode in ("I;16", "F"):
        image = image.convert("L").convert("I" if mode == "I;16" else "F").convert(mode)
    elif mode != "RGB":
        image = image.convert(mode)
    buffer = io.BytesIO()
    options = {"exif": _exif(6)} if suffix in ("jpg", "webp", "png") else {}
    image.save(buffer, FORMATS.get(suffix, suffix.upper()), **options)
    return buffer.getvalue()


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    exif[270] = "description"
    return exif.tobytes()


def _hostile_numbers(content: bytes, rng: random.Random) -> bytes:
    """Replace some of the numbers near the start of a file, where most formats have their sizes."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        place = rng.randrange(min(len(data), rng.choice((64, 600, 10_000))))
        number = rng.choice((0, 1, 0x7F, 0xFF, 0xFFFF, 2**31 - 1, 2**32 - 1, rng.getrandbits(32)))
        packed = struct.pack(rng.choice(("<I", ">I")), number)[: rng.choice((1, 2, 4))]
        data[place : place + len(packed)] = packed
    return bytes(data)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _hostile_png(rng: random.Random) -> bytes:
    """Return a PNG whose checksums are right and whose content lies."""
    width, height = (rng.choice((*SIDES, 20)) for _ in range(2))
    header = struct.pack(
        ">IIBBBBB", width, height, rng.choice((1, 8, 16, 255)), rng.choice((0, 2, 3, 6, 9)), 0, 0, rng.choice((0, 1))
    )
    pixels = zlib.compress(bytes(rng.choice((0, 100, 10**6, 5 * 10**7))), 9)
    bomb = zlib.compress(bytes(5 * 10**7), 9)
    extra = rng.choice((
        b"", _chunk(b"zTXt", b"a\0\0" + bomb), _chunk(b"iCCP", b"a\0\0" + bomb), _chunk(b"tEXt", b"a" * 10**6),
        _chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + bomb), _chunk(b"PLTE", b"\0" * 7),
        _chunk(b"tRNS", b"\0" * 999), _chunk(b"acTL", struct.pack(">II", 2**31 - 1, 0)),
        _chunk(b"eXIf", rng.randbytes(300)), _chunk(b"gAMA", b""),
    ))  # fmt: skip
    end = _chunk(b"IEND", b"") if rng.random() < 0.7 else b""
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + extra + _chunk(b"IDAT", pixels) + end


def _hostile_metadata(rng: random.Random) -> bytes:
    """Return a good image with EXIF, colour profile, XMP or comments that are not what they say."""
    image = random_image(4, 24, 16)
    suffix = rng.choice(("jpg", "png", "webp", "tif"))
    junk = rng.choice((b"", b"\0" * 70, rng.randbytes(400), b"<" * 60_000, _exif(6)[:20], b"[" * 50_000))
    options: dict[str, object] = {}
    if rng.random() < 0.5:
        exif = bytearray(b"Exif\0\0" + _exif(rng.randrange(12)).removeprefix(b"Exif\0\0"))
        for _ in range(rng.choice((0, 1, 5))):
            exif[rng.randrange(len(exif))] = rng.randrange(256)
        options["exif"] = bytes(exif)
    if rng.random() < 0.5:
        options["icc_profile"] = junk or b"x"
    if rng.random() < 0.5:
        options["xmp"] = junk
    if suffix == "png":
        text = PngImagePlugin.PngInfo()
        text.add_text("Description", rng.choice(("\x1b[2J", "a" * 60_000, "\u202e")), zip=True)
        options = {"pnginfo": text, **{key: value for key, value in options.items() if key != "xmp"}}
    if suffix == "tif":
        options = {key: value for key, value in options.items() if key == "icc_profile"}
    buffer = io.BytesIO()
    image.save(buffer, FORMATS.get(suffix, suffix.upper()), **options)
    return buffer.getvalue()


def _hostile_tiff(content: bytes, rng: random.Random) -> bytes:
    """Replace types, counts and values in the table of tags of a little-endian TIFF."""
    data = bytearray(content)
    table = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, table)[0]
    for _ in range(rng.choice((1, 2, 4))):
        entry = table + 2 + 12 * rng.randrange(count)
        if rng.random() < 0.3:
            struct.pack_into("<H", data, entry + 2, rng.randrange(20))
        if rng.random() < 0.4:
            struct.pack_into("<I", data, entry + 4, rng.choice((0, 2, 1000, 2**28, 2**32 - 1)))
        struct.pack_into("<I", data, entry + 8, rng.choice((0, 1, 3, 8, table, 2**16, 2**31, 2**32 - 1)))
    if rng.random() < 0.2:
        struct.pack_into("<I", data, table + 2 + 12 * count, rng.choice((table, 8, 2**31)))  # the next page: a loop
    return bytes(data)


def _no_image(rng: random.Random, canary: Path) -> bytes:
    """Return a file of another kind, which would do something if it were opened as what it is."""
    return rng.choice((
        pickle.dumps(Canary(canary)), f"%!PS-Adobe-3.0 EPSF-3.0\n({canary}) (w) file\n".encode(), b"<html></html>",
        f"push graphic-context\nimage over 0,0 0,0 'msl:{canary}'\n".encode(), b"GIF89a", b"P6\n99999 9999\n255\n",
        b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>', b"\0", b"P5 " * 9999,
        b"II*\0\x08\0\0\0\0\0", b"\xff\xd8\xff", b"RIFF\xff\xff\xff\xffWEBPVP8 ", b"BM" + bytes(50), b"%PDF-1.4\n",
    ))  # fmt: skip
