"""Limits on the size of uploads and jobs, and on how long the server keeps files."""

from dataclasses import dataclass

from i2i.images import MAX_PIXELS


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one server.

    Attributes:
        max_pixels: pixels of one image.
        max_upload_bytes: bytes of one uploaded file.
        max_files: images of one folder job.
        max_total_pixels: pixels of all images of one folder job together.
        max_unpacked_bytes: bytes of a zip's content.
        max_queue: jobs that may wait; the server refuses further ones.
        max_seconds: seconds that one job may take; also seconds after which a live camera stops.
        retention_seconds: age at which uploads and results are deleted.
        max_stored_bytes: bytes of all uploads and results together; beyond that the oldest are deleted first.
        min_free_bytes: bytes of the disk that uploads and results leave free.
    """

    max_pixels: int = MAX_PIXELS
    max_upload_bytes: int = 200_000_000
    max_files: int = 500
    max_total_pixels: int = 4_000_000_000
    max_unpacked_bytes: int = 4_000_000_000
    max_queue: int = 32
    max_seconds: float = 900.0
    retention_seconds: float = 3600.0
    max_stored_bytes: int = 20_000_000_000
    min_free_bytes: int = 500_000_000
