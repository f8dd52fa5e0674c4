"""Make a model of i2i from files of other programs, in a folder of its own below ``checkpoints/``."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from i2i.checkpoints.foreign import ImportOptions, import_foreign, stated_direction
from i2i.checkpoints.hub import address_of_cached_file, fetch_model, is_hub_address, parse_address
from i2i.checkpoints.hub.card import fetch_card
from i2i.checkpoints.model_card import copy_card, copy_text, write_model_card
from i2i.checkpoints.model_file import ModelFile, load_model_file, save_model_file
from i2i.checkpoints.model_header import is_foreign
from i2i.checkpoints.run import Run
from i2i.checkpoints.shipped import refuse_shipped
from i2i.directions import Direction
from i2i.errors import RunError, UsageError, io_errors


def model_source(text: str) -> Path:
    """Return the path of a file that is imported; a model of the Hugging Face Hub is downloaded."""
    return fetch_model(parse_address(text)) if is_hub_address(text) else Path(text)


def read_models(paths: Sequence[Path], options: ImportOptions) -> ModelFile:
    """Return one or two files of other programs as one model file; a file of i2i is returned as it is.

    Args:
        paths: a model, or the networks of both directions of one.
        options: what the files do not tell.

    Raises:
        UsageError: there are more files, or two of one direction or of different networks, or an option does not fit.
        ModelFileError: a file is missing or cannot be used.
    """
    if len(paths) > 2:
        raise UsageError(f"A model has one or two directions, each in a file; there are {len(paths)} files.")
    if len(paths) == 2 and options.direction is not None:
        raise UsageError("--direction is for a single file: the first of two is AtoB unless its name says BtoA.")
    if not is_foreign(paths[0]):  # a file of i2i, or one that cannot be read
        if len(paths) == 2:
            raise UsageError(f"{paths[0]} is a model file of i2i. It holds all directions: import it alone.")
        return load_model_file(paths[0])
    first = ModelFile(*import_foreign(paths[0], options))
    return first if len(paths) == 1 else _join(first, paths, options)


def _join(first: ModelFile, paths: Sequence[Path], options: ImportOptions) -> ModelFile:
    """Return a model of two directions: that of the first file, and the other one."""
    load_model_file(paths[1])  # raises for a file that cannot be used, whatever its direction
    (direction,) = first.info.directions
    if stated_direction(paths[0]) == stated_direction(paths[1]) is not None:
        raise UsageError(f"{paths[0].name} and {paths[1].name} are both {direction} by their names.")
    if stated_direction(paths[0]) is None and (stated := stated_direction(paths[1])) is not None:
        raise UsageError(f"{paths[1].name} is {stated} by its name: rename {paths[0].name}, or name both alike.")
    other = Direction.B_TO_A if direction == Direction.A_TO_B else Direction.A_TO_B
    second = ModelFile(*import_foreign(paths[1], replace(options, direction=other)))
    if first.info.generator != second.info.generator:
        raise UsageError(
            f"{paths[0].name} and {paths[1].name} are different networks: {' '.join(first.info.source_notes)} "
            f"{' '.join(second.info.source_notes)} Import each under a name of its own."
        )
    info = replace(
        first.info,
        directions=tuple(sorted((str(direction), str(other)))),
        source=f"{first.info.source}; {second.info.source}",
    )
    return ModelFile(info, first.tensors | second.tensors)


def save_import(name: str, model_file: ModelFile, source: Path | None = None) -> Path:
    """Write a model and its card to ``checkpoints/NAME``. Returns the path of the model file.

    Args:
        name: of the model.
        model_file: the model.
        source: its model file, beside which there may be a card with text of its authors.

    Raises:
        RunError: there is such a folder with files already, or the name is none for a run.
        WriteError: the disk is full or read-only.
    """
    run = Run.from_name(name)
    refuse_shipped(run.path, "overwritten", by_name=True)
    if run.path.exists() and (not run.path.is_dir() or any(run.path.iterdir())):
        raise RunError(f"{run.path} exists already. Choose another --name; nothing is overwritten.")
    with io_errors(run.path, "could not be made"):
        run.path.mkdir(parents=True, exist_ok=True)
    if source is None:
        write_model_card(run.path, model_file.info)
    elif (address := address_of_cached_file(source)) is not None:
        copy_text(*fetch_card(address), run.path, model_file.info)
    else:
        copy_card(source, run.path, model_file.info)
    save_model_file(run.weights_path, model_file)  # last: it says that the import is complete
    return run.weights_path
