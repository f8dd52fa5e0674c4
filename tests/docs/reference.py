"""Build the API reference of the public modules as HTML.

Run it with `uv run python -m tests.docs.reference build/reference`.
"""

import sys
from pathlib import Path

import pdoc

import i2i

PUBLIC_MODULES = [  # i2i.convert is documented with i2i, which lists it as a function
    "i2i",
    "i2i.checkpoints.model_file",
    "i2i.checkpoints.model_info",
    "i2i.config",
    "i2i.device",
    "i2i.errors",
    "i2i.evaluation.evaluate",
    "i2i.images",
    "i2i.inference.loading",
    "i2i.inference.sampler",
    "i2i.inference.translator",
    "i2i.losses.adversarial",
    "i2i.losses.augment",
    "i2i.losses.contrastive",
    "i2i.losses.feature_matching",
    "i2i.losses.gan_losses",
    "i2i.losses.perceptual",
    "i2i.losses.pixel",
    "i2i.methods.base",
    "i2i.metrics",
    "i2i.metrics.paired",
    "i2i.networks",
    "i2i.plugins",
    "i2i.recipes",
    "i2i.restoration",
]


def build_reference(folder: Path) -> None:
    """Write one page for each of PUBLIC_MODULES into ``folder``."""
    for name in i2i.__all__:  # pdoc reads the names of a module without calling its __getattr__
        vars(i2i)[name] = getattr(i2i, name)
    pdoc.render.configure(docformat="google", show_source=False)
    pdoc.pdoc(*PUBLIC_MODULES, output_directory=folder)


if __name__ == "__main__":
    build_reference(Path(sys.argv[1]))
