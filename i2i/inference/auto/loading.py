"""Load the models of a choice."""

from collections.abc import Sequence
from dataclasses import replace

from i2i.inference.auto.choice import IDENTITY, Choice
from i2i.inference.auto.steps import Step
from i2i.inference.loading import load_chain, load_one
from i2i.inference.options import InferenceOptions
from i2i.inference.translator import Translator


def load_choice(choice: Choice, options: InferenceOptions) -> Translator:
    """Return the translator of a choice; the identity if the photo is left as it is.

    Args:
        choice: from ``choose``.
        options: of the conversion as a whole. The strength is that of the choice.

    Raises: ModelFileError or UsageError as ``load`` does.
    """
    return load_steps(choice.steps, options)


def load_steps(steps: Sequence[Step], options: InferenceOptions) -> Translator:
    """Return the translator of one model or several; the identity for none. See ``load_choice``."""
    if not steps:
        return load_one(IDENTITY, None, options)
    if len(steps) == 1:
        return load_one(str(steps[0].model.path), None, replace(options, strength=steps[0].strength))
    members = [
        str(step.model.path) if step.strength is None else f"{step.model.path}:{step.strength:g}" for step in steps
    ]
    return load_chain(members, None, options)
