"""Pictures inside a page, and the sign of its maker."""

import base64
from html import escape

from PIL import Image

from i2i.images import encode

MADE_BY = '<meta name="generator" content="i2i evaluate'  # by which a report of ours is known
LARGEST = 384  # pixels a side; larger ones are reduced
SMALL = 160  # pixels a side up to which a picture is kept exactly


def embedded(image: Image.Image, says: str) -> str:
    """An <img> that holds the picture itself. says: what it shows, for those who cannot see it."""
    width, height = image.size
    small = max(image.size) <= SMALL
    shown = image.convert("RGB")
    if max(image.size) > LARGEST:
        shown.thumbnail((LARGEST, LARGEST), Image.Resampling.LANCZOS)
    kind, data = ("png", encode(shown, ".png")) if small else ("webp", encode(shown, ".webp"))
    source = base64.b64encode(data).decode()
    crisp = ' class="small"' if small else ""
    return (
        f'<img{crisp} src="data:image/{kind};base64,{source}" width="{width}" height="{height}" '
        f'alt="{escape(says)}" title="{escape(says)}" loading="lazy">'
    )
