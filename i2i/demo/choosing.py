"""The choice of a model by an uploaded photo."""

from pathlib import Path

from i2i.demo.model_registry import ModelRegistry
from i2i.demo.uploads import UploadStore
from i2i.inference.auto.choice import Choice, choose
from i2i.inference.auto.models import restoration_models


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
    quality = store.assess(path)
    names = registry.chainable_names()
    paths = {name: model.path for name, model in registry.models().items() if name in names}
    last = {name: path for name, path in paths.items() if path.name == "weights.safetensors"}
    return choose(quality, restoration_models(last), may_enlarge=may_enlarge)
