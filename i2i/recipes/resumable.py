"""What a resume may change of a run, and what it needs."""

from collections.abc import Iterator
from typing import Any

from i2i.checkpoints.model_file import load_model_info
from i2i.checkpoints.run import Run
from i2i.config import to_json
from i2i.errors import ConfigError, RunError, SettingError
from i2i.recipes.recipe import Recipe

# Fields that a resume may change: they affect how the training runs and how long, not what it learns.
RESUMABLE_FIELDS: dict[str, set[str]] = {
    "data": {"data", "data_a", "data_b", "test_a", "test_b", "pairs"},
    "model": set(),
    "training": {
        "steps", "epochs", "max_hours", "lr", "device", "precision", "workers", "cache", "compile", "cuda_graph",
        "log_every", "sample_every", "snapshot_every", "eval_every", "eval_images", "best_metric", "stop_on_alarm",
        "save_every_minutes", "title", "batch_size", "accumulate", "checkpoint_activations", "ranks", "track",
    },
}  # fmt: skip


def require_state(run: Run) -> None:
    """Raise RunError if the run was trained and its training state is gone. A run that stopped before has none yet."""
    if run.has_state() or not run.weights_path.is_file() or not load_model_info(run.weights_path).steps:
        return
    name = run.path.name
    raise RunError(
        f"{run.path} has no training state (state.pt) and cannot be continued: `i2i models prune` removes the states "
        f"of finished runs. To train further from its weights, start a new run: --init-from {name} --name {name}-2."
    )


def check_resumable(recipe: Recipe, overrides: dict[str, Any]) -> None:
    """Raise ConfigError if the overrides change a setting that a resume must not change."""
    changed = recipe.with_overrides(overrides)
    images, changed_images = recipe.training.images_per_step, changed.training.images_per_step
    if images != changed_images:
        raise ConfigError(
            f"A step of this run has {images} images (--batch-size times --accumulate, times the number of processes), "
            f"not {changed_images}. Resume with the same product, or start a new run with another --name."
        )
    for section, fields in RESUMABLE_FIELDS.items():
        before, after = to_json(getattr(recipe, section)), to_json(getattr(changed, section))
        for path, old, new in _differences(before, after, section):
            if path.split(".")[1] not in fields:
                raise SettingError(
                    f"This run was started with {{{path}}} = {old!r:.200}, not {new!r:.200}. Resume without that "
                    "setting, or start a new run with another --name.",
                    path,
                )


def _differences(before: dict[str, Any], after: dict[str, Any], path: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield the dotted path, the old and the new value of each field that differs."""
    for field in sorted(before.keys() | after.keys()):
        old, new = before.get(field), after.get(field)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, f"{path}.{field}")
        elif old != new:
            yield f"{path}.{field}", old, new
