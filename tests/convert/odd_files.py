"""A folder of unusual and bad files, of each kind that the folders of users hold."""

import io
import os
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from tests.images.profiles import ADOBE_RGB, DISPLAY_P3, PROPHOTO, cmyk_profile, grey_profile, in_srgb, rgb_profile

WIDTH, HEIGHT = 24, 16
Levels = np.ndarray  # the expected result, (h, w, 3), or a single colour
_TURNS = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_90", 7: "TRANSVERSE",
          8: "ROTATE_270"}  # fmt: skip


def smooth() -> Image.Image:
    """Return an image of distinct pixels, so that rotations and mirror images differ."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return Image.fromarray(np.stack([10 * x, 15 * y, 5 * x + 5 * y], -1).astype(np.uint8))


def good(folder: Path) -> Iterator[tuple[str, Levels, float]]:
    """Write each file. Yield its name, its image as sRGB on white, and the tolerance of its levels."""
    for writer in (_turned, _profiles, _depths, _modes, _several, _formats, _names, _harmless):
        yield from writer(folder)


def _turned(folder: Path) -> Iterator[tuple[str, Levels, float]]:
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = smooth()
        if orientation in _TURNS:
            stored = stored.transpose(Image.Transpose[_TURNS[orientation]])
        name = f"orientation {orientation}" + (".jpg" if orientation % 2 else ".png")
        stored.save(folder / name, exif=exif, **({"quality": 100, "subsampling": 0} if orientation % 2 else {}))
        yield name, np.asarray(smooth()), 6


def _profiles(folder: Path) -> Iterator[tuple[str, Levels, float]]:
    colour = (180, 110, 50)
    for name, space in (("adobe rgb.png", ADOBE_RGB), ("display p3.jpg", DISPLAY_P3), ("prophoto.tif", PROPHOTO)):
        Image.new("RGB", (8, 8), colour).save(folder / name, icc_profile=rgb_profile(space))
        yield name, in_srgb(space, colour), 4
    Image.new("CMYK", (8, 8), (0, 0, 0, 128)).save(folder / "cmyk.tif", icc_profile=cmyk_profile())
    yield "cmyk.tif", np.full(3, 119), 2
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(folder / "cmyk.jpg", quality=100)
    yield "cmyk.jpg", np.array([255, 0, 0]), 3
    Image.new("L", (8, 8), 128).save(folder / "linear grey.png", icc_profile=grey_profile(1.0))
    yield "linear grey.png", np.full(3, 188), 1
    smooth().save(folder / "damaged profile.png", icc_profile=b"no profile")
    yield "damaged profile.png", np.asarray(smooth()), 0


def _depths(folder: Path) -> Iterator[tuple[str, Levels, float]]:
    ramp = np.linspace(0, 255, 6).round()
    grey = np.repeat(ramp[None, :, None], 3, 2)
    for name in ("grey 16.png", "grey 16.tif"):
        Image.fromarray((ramp * 257).astype(np.uint16)[None]).save(folder / name)
        yield name, grey, 0
    deep = (np.asarray(smooth()).astype(np.uint16) * 257)[..., ::-1]
    for name in ("colours 16.png", "colours 16.tif"):
        cv2.imwrite(str(folder / name), deep)
        yield name, np.asarray(smooth()), 0
    Image.fromarray((ramp / 255).astype(np.float32)[None]).save(folder / "float grey.tif")
    yield "float grey.tif", grey, 0
    cv2.imwrite(str(folder / "float colours.tif"), (np.asarray(smooth()) / np.float32(255))[..., ::-1])
    yield "float colours.tif", np.asarray(smooth()), 1
    Image.fromarray((ramp * 257).astype(np.int32)[None]).save(folder / "grey 32.tif")
    yield "grey 32.tif", grey, 0


def _modes(folder: Path) -> Iterator[tuple[str, Levels, float]]:
    for mode, name in (("1", "one bit.png"), ("L", "grey.png"), ("P", "palette.png")):
        image = smooth().convert(mode)
        image.save(folder / name)
        yield name, np.asarray(image.convert("RGB")), 0
    hole = Image.new("P", (8, 8), 0)
    hole.putpalette([200, 0, 0])
    hole.save(folder / "palette with a hole.png", transparency=0)
    yield "palette with a hole.png", np.full(3, 255), 0
    for name in ("glass.png", "glass.webp", "glass.tif"):
        options: dict[str, Any] = {"lossless": True} if name.endswith("webp") else {}
        Image.new("RGBA", (8, 8), (100, 0, 50, 128)).save(folder / name, **options)
        yield name, np.array([177, 127, 152]), 1
    Image.new("LA", (8, 8), (100, 0)).save(folder / "grey glass.png")
    yield "grey glass.png", np.full(3, 255), 0
    Image.new("LAB", (8, 8), (128, 128, 128)).save(folder / "lab.tif")
    yield "lab.tif", np.full(3, 119), 3


def _several(folder: Path) -> Iterator[tuple[str, Levels, float]]:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    for name in ("animated.gif", "animated.png", "animated.webp", "pages.tif", "animated.avif"):
        frames[0].save(folder / name, save_all=True, append_images=[frame.copy() for frame in frames[1:]])
        yield name, np.array([255, 0, 0]), 4
    smooth().save(folder / "with a preview.jpg", format="MPO", save_all=True, append_images=[frames[1].copy()],
                  quality=100, subsampling=0)  # fmt: skip
    yield "with a preview.jpg", np.asarray(smooth()), 6


def _formats(folder: Path) -> Iterator[tuple[str, Levels, float]]:
    exact = [".bmp", ".tga", ".ppm", ".tiff"]
    for suffix in (*exact, ".avif", ".webp", ".jp2"):
        options: dict[str, Any] = {"quality": 100} if suffix in (".avif", ".webp") else {}
        smooth().save(folder / f"smooth{suffix}", **options)
        yield f"smooth{suffix}", np.asarray(smooth()), 0 if suffix in exact else 12
    smooth().convert("L").save(folder / "grey.pgm")
    yield "grey.pgm", np.asarray(smooth().convert("L").convert("RGB")), 0
    smooth().save(folder / "progressive.jpg", progressive=True, quality=100, subsampling=0)
    yield "progressive.jpg", np.asarray(smooth()), 6
    smooth().save(folder / "deflated.tif", compression="tiff_lzw")
    yield "deflated.tif", np.asarray(smooth()), 0
    if find_spec("pillow_heif"):
        import pillow_heif

        pillow_heif.from_pillow(Image.new("RGB", (64, 64), (90, 60, 30))).save(folder / "phone.heic", quality=95)
        yield "phone.heic", np.array([90, 60, 30]), 6


def _names(folder: Path) -> Iterator[tuple[str, Levels, float]]:
    names = ["SHOUTED.PNG", "-dash.png", "new\nline.png", "émoji 🦓.png", "[bold]'\"$(x).png", "n" * 251 + ".png",
             "a/deep/er/folder/photo.png", "meets.jpg.png", "meets.png"]  # fmt: skip
    if sys.platform == "linux":
        names.append(os.fsdecode(b"caf\xe9\xff.png"))
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        smooth().save(folder / name)
        yield name, np.asarray(smooth()), 0
    smooth().save(folder / "meets.jpg", quality=100, subsampling=0)
    yield "meets.jpg", np.asarray(smooth()), 6


def _harmless(folder: Path) -> Iterator[tuple[str, Levels, float]]:
    smooth().save(folder / "a png by the name of.jpg", format="PNG")
    yield "a png by the name of.jpg", np.asarray(smooth()), 0
    smooth().save(folder / "damaged exif.png", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\xff" * 40)
    yield "damaged exif.png", np.asarray(smooth()), 0
    for name, size in (("one pixel.png", (1, 1)), ("tall.png", (1, 300)), ("wide.png", (300, 1))):
        Image.new("RGB", size, (9, 8, 7)).save(folder / name)
        yield name, np.array([9, 8, 7]), 0
    (folder / "link within.png").symlink_to(folder / "grey.png")
    yield "link within.png", np.asarray(smooth().convert("L").convert("RGB")), 0
    outside = folder.parent / "outside"
    outside.mkdir()
    smooth().save(outside / "in a linked folder.png")
    (folder / "folder out").symlink_to(outside)
    yield "folder out/in a linked folder.png", np.asarray(smooth()), 0


def bad(folder: Path) -> Iterator[tuple[str, str]]:
    """Write each file. Yield its name, and a pattern of the reason why it is rejected."""
    texts = {
        "text.png": (b"Dear reader,", "a text"),
        "page.png": (b"<!DOCTYPE html><html><body>404</body></html>", "a web page"),
        "drawing.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "PostScript"),
        "drawing.png": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG"),
        "print.tif": (b"%PDF-1.7\n%\xe2\xe3", "a PDF"),
        "archive.jpg": (b"PK\3\4" + bytes(50), "a zip archive"),
        "layers.png": (b"8BPS\0\1" + bytes(50), "Photoshop"),
        "icon.bmp": (b"\0\0\1\0\1\0" + bytes(50), "icon"),
        "future.jpg": (b"\xff\x0a" + bytes(50), "JPEG XL"),
        "noise.jpg": (np.random.default_rng(0).bytes(500), "not an image"),
        "zeros.png": (bytes(500), "not an image"),
        "nothing.png": (b"", "is empty"),
        "head alone.jpg": (b"\xff\xd8\xff\xe0\0\x10JFIF", "not an image"),
    }
    for name, (content, reason) in texts.items():
        (folder / name).write_bytes(content)
        yield name, reason
    busy = Image.fromarray(np.random.default_rng(1).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    for suffix in (".jpg", ".png", ".webp", ".tif", ".gif", ".avif", ".bmp", ".jp2", ".ppm", ".tga"):
        whole = _bytes(lambda file, kind=suffix: busy.save(file, format=Image.registered_extensions()[kind]))
        (folder / f"half{suffix}").write_bytes(whole[: len(whole) // 2])
        yield f"half{suffix}", "damaged|not an image"
    flipped = bytearray(_bytes(lambda file: busy.save(file, format="PNG")))
    flipped[len(flipped) // 2] ^= 255
    (folder / "a flipped bit.png").write_bytes(flipped)
    yield "a flipped bit.png", "damaged"
    Image.new("1", (12_000, 12_000)).save(folder / "bomb.png")
    yield "bomb.png", "12000x12000 pixels; at most"
    huge = bytearray(_bytes(lambda file: busy.save(file, format="GIF")))
    huge[6:10] = (20_000).to_bytes(2, "little") * 2
    (folder / "bomb.gif").write_bytes(huge)
    yield "bomb.gif", "20000x20000 pixels; at most"
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe.png")
        yield "pipe.png", "not a regular file"
    (folder / "link to nowhere.png").symlink_to(folder / "gone.png")
    yield "link to nowhere.png", "link to a missing file"
    (folder / "link to itself.png").symlink_to(folder / "link to itself.png")
    yield "link to itself.png", "link to itself"


def left_out(folder: Path) -> Iterator[str]:
    """Write files that are not converted. Yield those that are reported as skipped."""
    for name in (".hidden.png", "__MACOSX/photo.png", "@eaDir/photo.jpg", ".trash/photo.png", "Thumbs.db", "notes.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"whatever")
    yield "notes.txt"
    (folder / "nowhere").symlink_to(folder / "gone")
    yield "nowhere"
    (folder / "round and round").symlink_to(folder)
    yield "round and round"


def _bytes(save: Callable[[io.BytesIO], None]) -> bytes:
    buffer = io.BytesIO()
    save(buffer)
    return buffer.getvalue()
