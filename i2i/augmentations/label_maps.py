"""Which pipelines suit label maps: those that move their pixels and keep the class ids."""

from collections.abc import Mapping
from typing import Any

from i2i.augmentations.build import leaves
from i2i.errors import ConfigError

_NEAREST = (0, 6)  # cv2.INTER_NEAREST, cv2.INTER_NEAREST_EXACT
_ADVICE = "Leave it out"


def check_for_label_maps(pipelines: Mapping[str, Any], source: str) -> None:
    """Raise ConfigError unless pipelines keep the values of the label map that is their mask.

    Args:
        pipelines: by part, see ``AugmentationPipeline``.
        source: of the pipelines, for messages.
    """
    if "source" in pipelines:
        raise ConfigError(
            f"{source} has a part 'source', and the source is a label map, whose class ids are never changed. Move "
            "transforms of its pixels to the part 'both', and leave out those of its values."
        )
    own = {part: pipeline for part, pipeline in pipelines.items() if part in ("both", "target")}
    if all(type(leaf).__name__ == "NoOp" for pipeline in own.values() for leaf in leaves(pipeline)):
        raise ConfigError(
            f"{source} changes values of the source alone, and the source is a label map, whose class ids are never "
            "changed: nothing is left of it. Use --augmentations geometric, or a file that changes the target too."
        )
    for leaf in leaves(pipelines["both"]) if "both" in pipelines else []:
        _check_leaf(leaf, source)


def _check_leaf(leaf: Any, source: str) -> None:
    name = type(leaf).__name__
    if name == "Morphological":
        raise ConfigError(f"{source}: Morphological changes the class ids of label maps. {_ADVICE}.")
    if getattr(leaf, "mask_interpolation", 0) not in _NEAREST:
        raise ConfigError(
            f"{source}: mask_interpolation of {name} is {leaf.mask_interpolation}, which mixes class ids of label "
            f"maps. {_ADVICE}: label maps take the nearest pixel."
        )
    for argument in ("fill_mask", "mask_drop_value"):
        if getattr(leaf, argument, None) not in (None, 0):
            raise ConfigError(
                f"{source}: {argument} of {name} is {getattr(leaf, argument)!r:.80}. {_ADVICE}: pixels of label maps "
                "from beyond the image are ignored, as those of --ignore-label."
            )
