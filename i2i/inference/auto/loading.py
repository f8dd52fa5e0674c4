"""Load the models of a choice."""

from dataclasses import replace

from i2i.inference.auto.choice import IDENTITY, Choice
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
    if choice.is_unchanged:
        return load_one(IDENTITY, None, options)
    if len(choice.steps) == 1:
        (step,) = choice.steps
        return load_one(str(step.model.path), None, replace(options, strength=step.strength))
    paths = [step.model.path for step in choice.steps]
    members = [
        str(path) if step.strength is None else f"{path}:{step.strength:g}"
        for path, step in zip(paths, choice.steps, strict=True)
    ]
    return load_chain(members, None, options)
