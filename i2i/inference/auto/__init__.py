"""Choose a restoration model, or a chain of them, by what a photo shows of its quality."""

from i2i.inference.auto.choice import AUTO, Choice, Step, choose
from i2i.inference.auto.models import RestorationModel, installed_models

__all__ = ["AUTO", "Choice", "RestorationModel", "Step", "choose", "installed_models"]
