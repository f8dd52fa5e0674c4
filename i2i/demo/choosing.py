"""The choice of a model by an uploaded photo."""

from pathlib import Path

from i2i.demo.model_registry import ModelChoice, ModelRegistry
from i2i.demo.uploads import UploadStore
from i2i.inference.auto.choice import Choice, choose
from i2i.inference.auto.models import restoration_models
from i2i.inference.auto.steps import Step, Trial


def choose_for_upload(
    registry: ModelRegistry, store: UploadStore, path: str | Path | None, *, may_enlarge: bool = True
) -> Choice:
    """Return which of the models of the server suit a photo. Models that need a strength or a mask are left out.

    Args:
        registry: the models.
        store: of the uploads.
        path: the uploaded photo.
        may_enlarge: whether the result may be larger than the photo.

    Raises: UsageError or ImageError as ``UploadStore.read`` does.
    """
    from i2i.inference.auto.trial import try_model

    quality = store.assess(path)
    names = registry.chainable_names()
    paths = {name: model.path for name, model in registry.models().items() if name in names}
    last = {name: path for name, path in paths.items() if path.name == "weights.safetensors"}

    def try_on_upload(step: Step) -> Trial:
        photo = store.read(path)
        with registry.lock.hold(store.limits.max_seconds):
            return try_model(step, photo, registry.translator(ModelChoice(step.model.name, "AtoB", step.strength)))

    return choose(quality, restoration_models(last), may_enlarge=may_enlarge, try_model=try_on_upload)
