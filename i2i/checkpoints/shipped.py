"""The models that come with i2i: where they are, and what may not be done with them.

A wheel holds them in the package, in ``i2i/shipped_checkpoints/``. In a clone of the repository they are folders of
``checkpoints/``, beside the runs of its user.
"""

from pathlib import Path

from i2i.errors import RunError

SHIPPED_MODELS = (
    "denoise", "dejpeg", "horse2zebra", "horse2zebra-small", "monet", "oldphoto", "superres2", "superres4",
)  # fmt: skip
_PACKAGE = Path(__file__).resolve().parents[1]


def shipped_dir() -> Path:
    """Return the folder of the shipped models."""
    packaged = _PACKAGE / "shipped_checkpoints"
    return packaged if packaged.is_dir() else _PACKAGE.parent / "checkpoints"


def shipped_model_files() -> dict[str, Path]:
    """Return the model file of each shipped model that is installed, by name.

    A folder of that name with a ``config.json`` is a training of the user, and not a shipped model.
    """
    folders = {name: shipped_dir() / name for name in SHIPPED_MODELS}
    return {
        name: folder / "weights.safetensors"
        for name, folder in folders.items()
        if (folder / "weights.safetensors").is_file() and not (folder / "config.json").exists()
    }


def is_shipped(folder: Path) -> bool:
    """Return whether a folder is that of a shipped model."""
    resolved = folder.resolve()
    return any(path.parent.resolve() == resolved for path in shipped_model_files().values())


def refuse_shipped(folder: Path, action: str, *, by_name: bool = False) -> None:
    """Raise RunError if a folder is that of a shipped model.

    Args:
        folder: of a run.
        action: what must not be done with a shipped model, such as "resumed".
        by_name: whether a missing folder with the name of a shipped model is refused too.
    """
    name = folder.name
    advice = ""
    if action != "removed":
        advice = (
            " To train further from its weights, start a run of your own: "
            f"`i2i train METHOD --data DATA --init-from {name} --name my-{name}`."
        )
    if is_shipped(folder) or (by_name and not folder.exists() and name in shipped_model_files()):
        raise RunError(f"{name} is a model that comes with i2i. It cannot be {action}.{advice}")
