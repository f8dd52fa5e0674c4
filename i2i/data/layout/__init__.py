"""Layouts of datasets: how the images of a dataset are arranged in folders, and how the arrangement is recognised."""

from i2i.data.layout.detect import detect_layout
from i2i.data.layout.find import HINT, dataset_dirs, find_dataset
from i2i.data.layout.pairs import pair_by_stem
from i2i.data.layout.types import LAYOUT_NAMES, SPLITS, Item, Kind, Layout, LayoutName, PairSizes
from i2i.images.folders import list_images

__all__ = [
    "HINT", "LAYOUT_NAMES", "SPLITS", "Item", "Kind", "Layout", "LayoutName", "PairSizes", "dataset_dirs",
    "detect_layout", "find_dataset", "list_images", "pair_by_stem",
]  # fmt: skip
