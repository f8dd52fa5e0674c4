"""Pipelines in files, and the text by which runs and model files keep them."""

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from i2i.augmentations.named import NAMED_PIPELINES, NAMES, Table
from i2i.errors import ConfigError, io_errors
from i2i.json_parsing import JsonError, parse_json
from i2i.paths import expand_user

MAX_BYTES = 1_000_000  # of a file
MAX_VALUES = 10_000  # tables, lists and single values of a pipeline
MAX_DEPTH = 50  # of nested tables and lists
PARTS = ("both", "source", "target")
HOW_TO_WRITE = 'Write it by `albumentations.save(pipeline, "mine.json")`; `i2i docs data` has an example.'


def load_pipeline(value: str) -> str:
    """Return the text that a run keeps of a pipeline: a name as it is, or the content of a file as one line of JSON.

    Args:
        value: a name of NAMES, the path of a file in JSON or YAML, or a text that this function returned.

    Raises:
        ConfigError: there is no such name or file, or it describes no usable pipeline.
    """
    if value in NAMES:
        return value
    if value.startswith("{"):
        content, source = parse_content(value), "The pipeline"
    else:
        content, source = load_file(value, NAMES), value
    from i2i.augmentations.build import build_parts

    build_parts(content, source)  # raises ConfigError for transforms and arguments that do not exist
    return json.dumps(content, allow_nan=False)


def saved_pipeline(text: str) -> Table:
    """Return the pipeline of a text that ``load_pipeline`` returned. It is not read from any file.

    Raises:
        ConfigError: the text is neither a name nor a pipeline. It may come from a model file of anybody.
    """
    if text in NAMED_PIPELINES:
        return NAMED_PIPELINES[text]
    return parse_content(text)


def pipeline_title(text: str) -> str:
    """Return a pipeline in a few words: its name, or the names of its transforms.

    >>> pipeline_title('{"transform": {"__class_fullname__": "Compose", "transforms": [{"__class_fullname__": "D4"}]}}')
    'Compose(D4)'
    """
    if not text.startswith("{"):
        return text
    try:
        content = parse_content(text)
    except ConfigError:
        return "unreadable"
    parts = {"": content} if "transform" in content else content
    titles = [(f"{part}: " if part else "") + _title(table.get("transform")) for part, table in parts.items()]
    return "; ".join(titles)


def parse_content(text: str | bytes, source: str = "The pipeline") -> Table:
    """Return the table of a pipeline in JSON. Raises ConfigError if it is none, or larger than MAX_BYTES."""
    if len(text) > MAX_BYTES:
        raise ConfigError(f"{source} has more than {MAX_BYTES} bytes, which is no pipeline. {HOW_TO_WRITE}")
    try:
        content = parse_json(text)
    except JsonError as error:
        raise ConfigError(f"{source} {error}. {HOW_TO_WRITE}") from error
    return _checked(content, source)


def load_file(value: str, names: Sequence[str] = ()) -> Table:
    """Return the pipeline of a file in JSON or YAML.

    Args:
        value: path of the file.
        names: what may stand in the place of a path, for the message.

    Raises:
        ConfigError: there is no such file, or it is none of a pipeline.
    """
    path = expand_user(value)
    if not path.exists():
        near = difflib.get_close_matches(value, names, n=1)
        hint = f"Did you mean {near[0]}?" if near else HOW_TO_WRITE
        choice = f"one of {', '.join(names)}, or " if names else ""
        raise ConfigError(f"The pipeline {value!r} does not exist; it must be {choice}a file in JSON or YAML. {hint}")
    if not path.is_file():
        raise ConfigError(f"{value} is no file; a pipeline is a file in JSON or YAML. {HOW_TO_WRITE}")
    with io_errors(path, "could not be read", error_type=ConfigError), path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    is_yaml = path.suffix.lower() in (".yaml", ".yml") or not data.lstrip().startswith(b"{")
    return _parse_yaml(data, path) if is_yaml else parse_content(data, value)


def _parse_yaml(data: bytes, path: Path) -> Table:
    import yaml

    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path} has more than {MAX_BYTES} bytes, which is no pipeline. {HOW_TO_WRITE}")
    try:
        content = yaml.safe_load(data)  # makes plain values only
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path} is neither JSON nor YAML: {reason}. {HOW_TO_WRITE}") from error
    return _checked(content, str(path))


def _checked(content: Any, source: str) -> Table:
    """Return the table of a file if it has the parts of a pipeline and plain values only."""
    keys = set(content) if isinstance(content, dict) else set()
    if not (keys - {"__version__"} == {"transform"} or (keys and keys <= set(PARTS))):
        raise ConfigError(
            f"{source} describes no pipeline: it must be a table with the key transform, as Albumentations writes it, "
            f"or with keys of {', '.join(PARTS)}, each such a table. {HOW_TO_WRITE}"
        )
    budget = MAX_VALUES
    level = [content]
    for _ in range(MAX_DEPTH):
        budget -= len(level)
        if budget < 0:
            break
        level = [item for value in level for item in _items(value, source)]
        if not level:
            return content
    raise ConfigError(f"{source} has more than {MAX_VALUES} values or {MAX_DEPTH} levels, which is no pipeline.")


def _items(value: Any, source: str) -> list[Any]:
    """Return the items of a table or list, and nothing for a single value. Raise ConfigError for any other value."""
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return list(value.values())
    if isinstance(value, list):
        return value
    is_finite = isinstance(value, float) and abs(value) < float("inf")  # false for NaN
    if is_finite or value is None or isinstance(value, str | int):
        return []
    raise ConfigError(f"{source} holds {value!r:.80}; a pipeline has tables, lists, texts and finite numbers only.")


def _title(transform: Any) -> str:
    if not isinstance(transform, dict):
        return "?"
    name = str(transform.get("__class_fullname__", "?")).rpartition(".")[2]
    inner = transform.get("transforms")
    return f"{name}({', '.join(map(_title, inner))})" if isinstance(inner, list) else name
