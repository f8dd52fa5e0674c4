"""Read what earlier versions of i2i wrote: names of format 1 become those of format 2.

Format 1 is that of i2i 0.1.0. The tables hold its names for ever, whatever later versions rename.
"""

from collections.abc import Mapping
from typing import Any

FIELD_NAMES = {
    "ada_pictures": "ada_images",
    "answers": "prediction",
    "begin_with": "init_from",
    "box": "mask_box",
    "clip": "weight_clip",
    "clip_norm": "grad_clip",
    "critic_steps": "d_steps",
    "damage": "severity",
    "decay": "decay_fraction",
    "drops": "rain_density",
    "evaluate_every": "eval_every",
    "evaluate_pictures": "eval_images",
    "extent": "blur_size",
    "fit": "resize",
    "fold": "unshuffle",
    "grain": "noise_sigma",
    "haze": "haze_density",
    "holes": "mask_fraction",
    "hours": "max_hours",
    "inference": "inference_mode",
    "init": "weight_init",
    "jitter": "resize_scale",
    "keep_best": "best_metric",
    "lens": "blur_sigma",
    "nce_features": "nce_dim",
    "nce_patches": "nce_num_patches",
    "objective": "method",
    "pieces": "maxout_pieces",
    "pixel": "pixel_loss",
    "pool": "pool_size",
    "poorest": "min_jpeg_quality",
    "quantised": "quantize",
    "record": "cuda_graph",
    "residual": "residual_output",
    "save_minutes": "save_every_minutes",
    "saved": "camera_jpeg_quality",
    "shot": "shot_noise",
    "shows": "conditioning",
    "shrink": "downscale",
    "speckle": "max_noise",
    "stops": "underexposure_stops",
    "streak": "rain_length",
    "stroke": "mask_stroke",
    "weight_features": "weight_feature_matching",
    "weight_gp": "weight_gradient_penalty",
}
TASK_FIELD_NAMES = {"denoise": {"known": "noise_level_input"}, "dejpeg": {"known": "quality_input"}}
LATER_TASK_FIELDS = {"denoise": {"camera_noise_reduction": 0.0}}  # name → its value before it was a field
VALUES = {
    "conditioning": {"picture": "image"},
    "prediction": {"plain": "direct", "patch": "masked_residual"},
}
STATE_NAMES = {"objective": "method", "watch": "monitor", "exam": "validator", "spent": "elapsed"}
MONITOR_NAMES = {"doctor": "alarms", "setbacks": "recovery"}
STREAK_NAMES = {"since": "first_step", "found": "failed", "free": "passed", "told": "reported"}
LOG_NAMES = {"sentence": "message", "setback": "rollback"}
COUNT_NAMES = {"pictures": "images"}


def upgrade_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a model file of format 1 as those of format 2. Unexpected values stay as they are."""
    upgraded = _upgrade_names(metadata)
    for key in ("data", "best"):
        if isinstance(upgraded.get(key), dict):
            upgraded[key] = _rename(upgraded[key], COUNT_NAMES)
    return {**upgraded, "format": 2}


def upgrade_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a run's ``config.json``, of any version, with the names of format 2."""
    return add_later_fields(_upgrade_names(config) if "objective" in config else config)


def add_later_fields(table: Mapping[str, Any]) -> dict[str, Any]:
    """Give the tasks of nested tables the fields that they lack, so that a run goes on with the samples it had."""
    added = {name: add_later_fields(value) if isinstance(value, dict) else value for name, value in table.items()}
    task = added.get("task")
    return {**(LATER_TASK_FIELDS.get(task, {}) if isinstance(task, str) else {}), **added}


def upgrade_state(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a training state, of any version, with the names of format 2."""
    upgraded = _rename(state, STATE_NAMES)
    if isinstance(upgraded.get("monitor"), dict):
        monitor = _rename(upgraded["monitor"], MONITOR_NAMES)
        if isinstance(monitor.get("alarms"), dict):
            monitor["alarms"] = {name: _rename(streak, STREAK_NAMES) for name, streak in monitor["alarms"].items()}
        upgraded["monitor"] = monitor
    validator = upgraded.get("validator")
    if isinstance(validator, dict) and isinstance(validator.get("best"), dict):
        upgraded["validator"] = {**validator, "best": _rename(validator["best"], COUNT_NAMES)}
    return upgraded


def upgrade_log_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of ``log.jsonl``, of any version, with the names of format 2."""
    return _rename(row, LOG_NAMES)


def _rename(table: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names.get(key, key): value for key, value in table.items()}


def _upgrade_names(table: Mapping[str, Any]) -> dict[str, Any]:
    """Rename the fields of configs, and their values, in nested tables."""
    task = table.get("task")
    names = FIELD_NAMES | (TASK_FIELD_NAMES.get(task, {}) if isinstance(task, str) else {})
    upgraded = {}
    for old_name, value in table.items():
        name = names.get(old_name, old_name)
        if isinstance(value, dict):
            value = _upgrade_names(value)
        elif isinstance(value, str):
            value = VALUES.get(name, {}).get(value, value)
        upgraded[name] = value
    return upgraded
