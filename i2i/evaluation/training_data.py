"""The dataset that a model was trained on, as the model's run or the model file names it."""

from pathlib import Path

from i2i.checkpoints.model_info import ModelInfo
from i2i.checkpoints.run import Run
from i2i.data.layout import Kind
from i2i.data.saved_source import saved_source, shared_source
from i2i.data.source import DataSource
from i2i.errors import I2IError

_KINDS: dict[str, Kind] = {
    "cyclegan": "unpaired",
    "cut": "unpaired",
    "distill": "unpaired",
    "pix2pix": "paired",
    "regression": "paired",
}


def training_source(info: ModelInfo, path: Path | None = None) -> DataSource:
    """Return the training data of a model.

    A run knows where its dataset is on this machine. A model file alone knows the dataset's name: a path in it, which
    may come from anywhere, is never followed.

    Args:
        info: metadata of the model file.
        path: of the model file; None if it is unknown.
    """
    if path is not None:
        folder = path.parent.parent if path.parent.name == "snapshots" else path.parent
        run = Run(folder)
        if run.exists():
            try:
                source = saved_source(run.load_config(), folder)
            except I2IError:  # a damaged config: the model file remains
                source = None
            if source is not None and source.is_named:
                return source
    settings = info.settings.get("data")
    return shared_source(settings if isinstance(settings, dict) else {}, info.data.name)


def needed_kind(info: ModelInfo) -> Kind | None:
    """Return the kind of data that a model was trained on; None if it is unknown."""
    if info.samples_from_noise or info.task is not None:
        return "clean"
    return _KINDS.get(info.method)
