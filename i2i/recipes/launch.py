"""From a recipe and a dataset's name to a trainer that is ready to run, new or resumed."""

import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from i2i._version import __version__
from i2i.checkpoints.run import Run
from i2i.config import to_json
from i2i.data.dataset import OneWayConfig, TrainingPictures
from i2i.data.ensure import prepare
from i2i.data.image_cache import Packed, pack
from i2i.data.layout import HINT, Kind, Layout, layout, locate
from i2i.device import pick_device
from i2i.diagnostics import Doctor, settings_of
from i2i.errors import CacheError, ConfigError, DatasetError, PictureError, UsageError
from i2i.images import header
from i2i.recipes import Recipe, recipe, recipe_from_json
from i2i.training.monitor import Watch
from i2i.training.progress import TrainingProgress
from i2i.training.trainer import Trainer, seed_everything
from i2i.training.validator import Exam
from i2i.training.warm_start import inherit

ADVICE = {
    "paired": "`i2i train pix2pix` learns from it.",
    "unpaired": "`i2i train cyclegan` learns from it, and `i2i train cut`.",
    "clean": "`i2i train regression --task denoise` learns to restore photos like these, `i2i train gan` to paint more "
    "of their kind. To translate between two kinds of photos, put the "
    "second beside these: trainA/ and trainB/.",
}
# What may differ between the parts of one training: how it runs, not what is learnt.
FREE = {"data": {"data"}, "model": set(),
        "training": {"steps", "epochs", "hours", "lr", "device", "precision", "workers", "cache", "compile", "record",
                     "log_every", "sample_every", "snapshot_every", "evaluate_every", "evaluate_pictures",
                     "keep_best", "stop_on_alarm", "save_minutes"}}  # fmt: skip
AUTO_CACHE = 32e9  # bytes of the largest pack that --cache auto makes


def start(
    objective: str, name: str | None, changes: dict[str, Any], run_name: str | None, progress: TrainingProgress
) -> Trainer:
    """A new training in a run of its own: recipe ``name`` (None: "paper") with ``changes`` (see ``Recipe.merged``).

    Raises UsageError where the settings, the dataset or the run's name will not do; nothing is written then.
    """
    plan = recipe(objective, name).merged(changes)
    if not plan.data.data:
        raise UsageError(f"Which pictures? Name a dataset: --data NAME or --data PATH. {HINT}")
    found = find_data(plan, progress.say)
    run = Run.named(run_name or _derived_name(found.root, objective, getattr(plan.data.restores(), "task", "")))
    trainer = _trainer(plan, found, run, progress, plan.training.begin_with)
    run.create(plan.to_json())
    return trainer


def resume(
    objective: str, name: str | None, changes: dict[str, Any], run_name: str | None, progress: TrainingProgress
) -> Trainer:
    """The trainer of an earlier run, where it stopped. ``changes`` may only touch what does not alter the method.

    The run is that of ``run_name``, or the one that ``start`` would have named after the dataset.
    """
    data = changes.get("data", {}).get("data")
    if not (run_name or data):
        raise UsageError("Which run? --resume needs --name, or the --data it was started with.")
    task = changes.get("data", {}).get("task", {}).get("task", "")
    run = Run.named(run_name or _derived_name(locate(data) or Path(data), objective, task))
    plan = recipe_from_json(run.config())
    if plan.objective != objective:
        raise UsageError(f"{run.path} is a {plan.objective} training: `i2i train {plan.objective} --resume …`.")
    if name not in (None, plan.name):
        raise ConfigError(f"{run.path} was started with --recipe {plan.name}, not {name}.")
    plan = plan.merged(_allowed(plan, changes))
    run.lock()
    trainer = _trainer(plan, find_data(plan, progress.say), run, progress)
    state = run.load_state()
    if state is not None:
        trainer.load_state(state)
    run.write_config(plan.to_json())
    return trainer


def _derived_name(data: Path, objective: str, task: str) -> str:
    """A run's name from its dataset's, with a dash for what a run's name cannot hold; and from what it learns."""
    learns = [task] if task and objective == "regression" else [objective, task]
    return "-".join(filter(None, [re.sub(r"[^A-Za-z0-9._-]+", "-", data.resolve().name).strip("-._"), *learns]))


def _allowed(plan: Recipe, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes that a resume may make. Raises ConfigError for one that would make it another training."""
    merged = plan.merged(changes)
    for section, free in FREE.items():
        before, after = to_json(getattr(plan, section)), to_json(getattr(merged, section))
        for path, old, new in _differences(before, after, section):
            if path.split(".")[1] not in free:
                raise ConfigError(
                    f"This run was started with {path} = {old!r}, not {new!r}. Resume without that flag, or start "
                    "a new run with another --name."
                )
    return changes


def _differences(before: dict[str, Any], after: dict[str, Any], where: str) -> Iterator[tuple[str, Any, Any]]:
    for field in sorted(before.keys() | after.keys()):
        old, new, path = before.get(field), after.get(field), f"{where}.{field}"
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, path)
        elif old != new:
            yield path, old, new


def _trainer(plan: Recipe, found: Layout, run: Run, progress: TrainingProgress, begin_with: str = "") -> Trainer:
    seed_everything(plan.training.seed)
    built = plan.build()
    if begin_with:
        inherit(built, begin_with, progress.say)
    pictures = TrainingPictures(found, plan.data, plan.training.seed, _packed(plan, found, progress.say))
    total = plan.training.total_steps(pictures.epoch_length)
    doctor = Doctor(settings_of(plan.data, plan.model, plan.training), total, built.critic_weight)
    watch = Watch(doctor, progress, stop=plan.training.stop_on_alarm)
    told = about(plan, found, list(built.translators()))
    exam = Exam(plan.training, pictures, told["directions"], built.generator_config(), run.best_path, progress)
    return Trainer(built, pictures, plan.training, run, told, progress, watch, exam)


def _packed(plan: Recipe, found: Layout, tell: Callable[[str], None]) -> Packed | None:
    """The training pictures packed, where --cache wants them so. Raises CacheError where "on" cannot be done."""
    cache = plan.training.cache
    slow = plan.data.restores() is not None or plan.data.fitting() == "native"  # to decode a photo for each crop
    if cache == "off" or (cache == "auto" and not slow and pick_device(plan.training.device).type != "cuda"):
        return None
    try:
        most = AUTO_CACHE if cache == "auto" else math.inf
        return pack(found, plan.data.loaded(), plan.data.fitting(), tell, limit=most)
    except CacheError as error:
        if cache == "on":
            raise CacheError(f"{error} Make room, set I2I_CACHE to another folder, or give --cache off.") from error
        tell(f"The pictures are loaded from their files. {error}")
        return None


def about(plan: Recipe, found: Layout, directions: list[str]) -> dict[str, Any]:
    """The part of a bundle's header that does not change while it trains."""
    if isinstance(plan.data, OneWayConfig) and plan.data.direction == "BtoA":
        directions = ["BtoA"]
    name = found.root.resolve().name
    task = plan.data.restores()
    begun = re.sub(r".*/(?=[^/]+$)|/weights\.safetensors$", "", plan.training.begin_with)
    settings = plan.merged(
        {"data": {"data": name}, "training": {"begin_with": begun}}
    )  # a bundle is shared: it tells no paths of its maker's machine
    return {
        "version": __version__,
        "objective": plan.objective,
        "recipe": plan.name,
        "size": plan.data.size,
        "directions": directions,
        "generator": to_json(plan.model.generator),
        "data": {
            "name": name,
            "fingerprint": found.fingerprint(),
            "pictures": [len(domain) for domain in found.splits["train"]],
        },
        "settings": settings.to_json(),
        **({"task": to_json(task)} if task else {}),
    }


def find_data(plan: Recipe, tell: Callable[[str], None]) -> Layout:
    """The dataset of a plan, looked at: of the kind it needs, and every file a picture.

    Raises DatasetError with what to do.
    """
    found = layout(locate(plan.data.data) or prepare(plan.data.data, tell))
    needed = plan.needs()
    if found.kind != needed:
        raise DatasetError(
            f"{found.root} holds {found.kind} data ({found.source}), and {plan.objective} learns from {needed} data. "
            f"{_advice(found, needed)} {HINT}"
        )
    bad = []
    for path in (path for domains in found.splits.values() for domain in domains for item in domain for path in item):
        try:
            header(path)
        except PictureError as error:
            bad.append(str(error))
    if bad:
        more = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        raise DatasetError(f"{len(bad)} files are no pictures: {' '.join(bad[:3])}{more} Remove or replace them.")
    return found


def _advice(found: Layout, needed: Kind) -> str:
    """What to do with data of another kind than is needed."""
    if needed == "clean" and not found.source.startswith("side-by-side"):
        return f"One of its folders alone will do, such as --data {found.splits['train'][0][0][0].parent}."
    return ADVICE[found.kind]
