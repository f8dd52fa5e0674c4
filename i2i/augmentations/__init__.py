"""Augmentation of training images by Albumentations pipelines: named ones, and those of files.

Importing this package does not import Albumentations.
"""

from i2i.augmentations.files import load_pipeline, pipeline_title
from i2i.augmentations.named import NAMES

__all__ = ["NAMES", "load_pipeline", "pipeline_title"]
