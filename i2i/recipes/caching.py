"""The image cache of a training, by its ``--cache``."""

import logging
import math

from i2i.data.image_cache import ImageCache, build_image_cache
from i2i.data.layout import Layout
from i2i.data.value_ranges import DomainRanges
from i2i.device import resolve_device
from i2i.errors import CacheError
from i2i.images.pixel_format import DomainFormats
from i2i.recipes.recipe import Recipe

logger = logging.getLogger(__name__)

MAX_AUTO_CACHE_BYTES = 32e9  # --cache auto makes no larger image cache


def open_image_cache(recipe: Recipe, layout: Layout, ranges: DomainRanges, formats: DomainFormats) -> ImageCache | None:
    """Return the cache of the training images, or None to load them from their files.

    With --cache auto, a cache is used on CUDA, and wherever each crop would decode a full-size photo.

    Raises:
        CacheError: --cache is "on" and the cache cannot be made.
    """
    mode = recipe.training.cache
    has_task = recipe.data.restoration_task is not None
    decodes_full_photos = has_task or recipe.superres_scale > 1 or recipe.data.resize_mode == "native"
    if mode == "off" or (layout.is_remote and mode == "auto"):
        return None
    if mode == "auto" and not decodes_full_photos and resolve_device(recipe.training.device).type != "cuda":
        return None
    try:
        limit = MAX_AUTO_CACHE_BYTES if mode == "auto" else math.inf
        side, resize_mode = recipe.data.load_size, recipe.data.resize_mode
        return build_image_cache(layout, side, resize_mode, limit=limit, ranges=ranges, formats=formats)
    except CacheError as error:
        if mode == "on":
            raise CacheError(f"{error} Make room, set I2I_CACHE to another folder, or give --cache off.") from error
        logger.warning("Training images are loaded from their files. %s", error)
        return None
