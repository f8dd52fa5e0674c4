"""What the demo takes, and for how long it keeps it."""

from dataclasses import dataclass

from i2i.images import MAX_PIXELS


@dataclass(frozen=True, kw_only=True)
class Limits:
    """pixels: of a picture. bytes: of an uploaded file. files: of one folder, pixels_in_all of its
    pictures, and unpacked bytes of what is in a zip.

    queue: jobs that wait; more are told to come back. seconds: of one job. keep: seconds that uploads and results are
    kept. store: bytes of all of them together, beyond which the oldest go first.
    """

    pixels: int = MAX_PIXELS
    bytes: int = 200_000_000
    files: int = 500
    pixels_in_all: int = 4_000_000_000
    unpacked: int = 4_000_000_000
    queue: int = 32
    seconds: float = 900.0
    keep: float = 3600.0
    store: int = 20_000_000_000
