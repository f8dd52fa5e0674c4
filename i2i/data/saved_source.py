"""Where the dataset of a run is, as the run's folder and the model file keep it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from i2i.data.layout import LAYOUT_NAMES
from i2i.data.source import FOLDERS, DataSource
from i2i.images.folders import real_path
from i2i.images.stacks import is_stack_pattern

SAVED_PLACES = "data_paths"  # key of a run's config.json: absolute paths of the folders, by the names that were given


def saved_places(config: Mapping[str, Any], run_folder: Path) -> dict[str, str]:
    """Return the absolute path of each folder of a run's dataset, by the name that the user gave.

    Runs of earlier versions hold no absolute paths. Their relative paths are tried from the folder above the runs.

    Args:
        config: content of the run's ``config.json``.
        run_folder: the run's folder.
    """
    saved = config.get(SAVED_PLACES)
    if isinstance(saved, dict):
        return {name: path for name, path in saved.items() if isinstance(path, str)}
    name = _fields(config.get("data")).get("data", "")
    path = real_path(run_folder).parent.parent / name
    return {name: str(path)} if name and path.is_dir() else {}


def saved_source(config: Mapping[str, Any], run_folder: Path) -> DataSource:
    """Return the source of a run's dataset, with the places where it was last.

    Args:
        config: content of the run's ``config.json``.
        run_folder: the run's folder.
    """
    return DataSource(**_fields(config.get("data")), absolute=saved_places(config, run_folder))


def shared_source(settings: Mapping[str, Any], name: str) -> DataSource:
    """Return the source that a model file names, without any path.

    Args:
        settings: the settings of the training data in the model file.
        name: of the dataset.
    """
    fields = _fields(settings)
    for place in FOLDERS:
        if place in fields:
            fields[place] = _plain_name(fields[place])
    if "pairs" in fields:
        fields["pairs"] = tuple(map(_plain_name, fields["pairs"]))
    if not (fields.get("data_a") and fields.get("data_b")) and not all(fields.get("pairs", [""])):
        fields = {key: value for key, value in fields.items() if key in ("layout", "pair_suffixes", "stack")}
        fields["data"] = _plain_name(name)
    return DataSource(**fields, absolute={})


def saved_stack(settings: Any) -> str:
    """Return which files formed one image of a training, see ``StackPattern``; "" if every file was an image.

    Args:
        settings: the settings of the training data in a model file.
    """
    return str(_fields(settings).get("stack", ""))


def _fields(settings: Any) -> dict[str, Any]:
    """Return the fields of a source among saved settings. Values of another type are left out."""
    if not isinstance(settings, Mapping):
        return {}
    fields: dict[str, Any] = {name: settings[name] for name in FOLDERS if isinstance(settings.get(name), str)}
    for name in ("pairs", "pair_suffixes"):
        value = settings.get(name)
        if isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(part, str) for part in value):
            fields[name] = tuple(value)
    if is_stack_pattern(settings.get("stack")):
        fields["stack"] = settings["stack"]
    if settings.get("layout") in LAYOUT_NAMES:
        fields["layout"] = settings["layout"]
    return fields


def _plain_name(name: str) -> str:
    """Return a name, or "" if it is a path or hidden."""
    is_plain = name == name.strip() and not set(name) & set("/\\:~\0") and not name.startswith(".")
    return name if is_plain else ""
