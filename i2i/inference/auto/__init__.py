"""Choose a restoration model, or a chain of them, by what a photo shows of its quality."""

from i2i.inference.auto.choice import AUTO, Choice, choose
from i2i.inference.auto.models import RestorationModel, installed_models
from i2i.inference.auto.steps import Step, Trial

__all__ = ["AUTO", "Choice", "RestorationModel", "Step", "Trial", "choose", "installed_models"]
