"""``choose``: the model or chain of models for a photo, with the reasons."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from i2i.images.quality import PhotoQuality
from i2i.inference.auto import thresholds
from i2i.inference.auto.models import RestorationModel, find_dejpeg, find_denoiser, find_superres
from i2i.inference.auto.noise import confirmed_noise, is_certain, noise_level, suspected_noise
from i2i.inference.auto.steps import Step, Trial, TryModel
from i2i.restoration.jpeg import Dejpeg
from i2i.restoration.noise import Denoise
from i2i.restoration.superres import Superres

AUTO = "auto"  # the name that stands for a choice by photo wherever a model is named
IDENTITY = "identity"
STRENGTH_STEP = 5  # to which the strength for a model that takes one is rounded, so that photos share it


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What ``auto`` does with a photo.

    Attributes:
        steps: the models, in their order; none if the photo is left as it is.
        notes: what is left undone and why, such as for lack of a model.
        quality: what was measured.
        trial: of the denoising model; None if the measurements gave no reason for one.
    """

    steps: tuple[Step, ...]
    notes: tuple[str, ...]
    quality: PhotoQuality
    trial: Trial | None = None

    @property
    def model(self) -> str:
        """The name of the model or chain, such as "denoise+superres2"; "identity" if the photo is left as it is."""
        return "+".join(step.name for step in self.steps) or IDENTITY

    @property
    def is_unchanged(self) -> bool:
        """Whether the photo is left as it is."""
        return not self.steps

    @property
    def reason(self) -> str:
        """Why the models were chosen, and what is left undone, in words."""
        if self.is_unchanged and not self.notes:
            return _nothing_found(self.quality)
        return "; ".join([*(step.reason for step in self.steps), *self.notes])

    def __str__(self) -> str:
        """The choice, its reasons and the numbers seen, on one line."""
        chosen = "left as it is" if self.is_unchanged else self.model
        return f"{chosen}: {self.reason} [{describe_quality(self.quality, self.trial)}]"

    def to_json(self) -> dict[str, Any]:
        """Return the choice for programs: "model" is None if the photo is left as it is."""
        return {
            "model": None if self.is_unchanged else self.model,
            "reason": self.reason,
            "steps": [{"model": step.name, "reason": step.reason} for step in self.steps],
            "notes": list(self.notes),
            "measured": self.quality.to_json(),
            "trial": None if self.trial is None else {**asdict(self.trial), "removed": round(self.trial.removed, 3)},
        }


def choose(
    quality: PhotoQuality,
    models: Sequence[RestorationModel],
    *,
    may_enlarge: bool = True,
    try_model: TryModel | None = None,
) -> Choice:
    """Choose what to do with a photo, by the values of ``thresholds``.

    Noise is removed first, then the artefacts of JPEG, and a small photo is enlarged last. A model of super-resolution
    that was trained on photos as noisy and compressed as this one needs no other model before it.

    Args:
        quality: of the photo.
        models: among which to choose; of several that fit, the first one.
        may_enlarge: whether the result may be larger than the photo.
        try_model: tries a denoising model on the photo, if noise is suspected. Without it, the measurements decide.
    """
    notes: list[str] = []
    sigma, trial = _find_noise(quality, models, try_model)
    denoise, dejpeg = _denoise_step(sigma, models, notes), _dejpeg_step(quality, models, notes)
    steps = [step for step in (denoise, dejpeg) if step is not None]
    is_cleaned = (denoise is not None or not sigma) and (
        dejpeg is not None or quality.lowest_quality >= thresholds.SUPERRES_QUALITY
    )
    enlarging = _superres_step(quality, sigma, models, notes, is_cleaned=is_cleaned) if may_enlarge else None
    if enlarging is not None and _handles(enlarging.model, quality, sigma):
        steps, notes = [], []
    if enlarging is not None:
        steps.append(enlarging)
    return Choice(steps=tuple(steps), notes=tuple(notes), quality=quality, trial=trial)


def _find_noise(
    quality: PhotoQuality, models: Sequence[RestorationModel], try_model: TryModel | None
) -> tuple[float, Trial | None]:
    """Return σ of the noise that is to be removed, 0 for none, and the trial that confirmed it or did not."""
    if is_certain(quality):
        return quality.noise, None
    measured = noise_level(quality)
    suspected = suspected_noise(quality)
    model = find_denoiser(models, suspected) if suspected else None
    if model is None or try_model is None:
        return measured if measured >= thresholds.NOISE_SIGMA else 0.0, None
    trial = try_model(Step(model, "", _strength(model, suspected)))
    return confirmed_noise(quality, trial), trial


def _nothing_found(quality: PhotoQuality) -> str:
    """Return why a photo needs no model."""
    jpeg = f", and JPEG quality {quality.jpeg_quality} is high" if quality.jpeg_quality else ""
    return f"no noise to remove{jpeg}"


def describe_quality(quality: PhotoQuality, trial: Trial | None = None) -> str:
    """Return the measurements in words, such as "640x480, colour, noise σ 3.1 (R 3.0, G 2.9, B 3.4), JPEG 85"."""
    parts = [f"{quality.width}x{quality.height}", "grey" if quality.grey else "colour"]
    noise = f"noise σ {quality.noise:.1f}"
    if not quality.grey:
        noise += " (R {:.1f}, G {:.1f}, B {:.1f})".format(*quality.noise_rgb)
    parts += [noise, f"at half size {quality.coarse_noise:.1f}"]
    parts.append("no JPEG" if quality.jpeg_quality is None else f"JPEG quality {quality.jpeg_quality}")
    if quality.earlier_quality is not None:
        parts.append(f"JPEG quality {quality.earlier_quality} before")
    parts.append(f"sharpness {quality.sharpness:.3f}")
    if trial is not None:
        parts.append(f"{trial.model} removes σ {trial.removed:.1f}")
    return ", ".join(parts)


def _dejpeg_step(quality: PhotoQuality, models: Sequence[RestorationModel], notes: list[str]) -> Step | None:
    jpeg = quality.lowest_quality
    if jpeg > thresholds.DEJPEG_QUALITY:
        return None
    again = "" if jpeg == quality.jpeg_quality else ", saved again since"
    words = f"{'strongly ' if jpeg < 40 else ''}compressed JPEG (quality {jpeg}{again})"
    model = find_dejpeg(models, jpeg)
    if model is not None:
        return Step(model, words, _strength(model, jpeg))
    trained = [model.name for model in models if isinstance(model.task, Dejpeg)]
    notes.append(
        f"{words}, better than what {trained[0]} was trained on" if trained else _not_installed(words, "dejpeg")
    )
    return None


def _denoise_step(sigma: float, models: Sequence[RestorationModel], notes: list[str]) -> Step | None:
    if not sigma:
        return None
    words = f"noise of σ {sigma:.1f}"
    model = find_denoiser(models, sigma)
    if model is not None:
        return Step(model, words, _strength(model, sigma))
    trained = [model.name for model in models if isinstance(model.task, Denoise)]
    notes.append(
        f"{words}, weaker than what {trained[0]} was trained on" if trained else _not_installed(words, "denoise")
    )
    return None


def _superres_step(
    quality: PhotoQuality, sigma: float, models: Sequence[RestorationModel], notes: list[str], *, is_cleaned: bool
) -> Step | None:
    """Return the step that enlarges a small photo; None for a large, blurred or badly compressed one."""
    longer = max(quality.width, quality.height)
    if longer > thresholds.SMALL_SIDE or min(quality.width, quality.height) < thresholds.MIN_SIDE:
        return None
    words = f"small ({quality.width}x{quality.height})"
    model = find_superres(models, 4 if longer <= thresholds.TINY_SIDE else 2)
    if model is None:
        notes.append(_not_installed(words, "superres"))
    elif quality.sharpness == 0:
        return None  # of one colour
    elif quality.sharpness < thresholds.SUPERRES_SHARPNESS:
        notes.append(f"{words}, but blurred or enlarged already, so that {model.name} would add nothing")
    elif not is_cleaned and not _handles(model, quality, sigma):
        notes.append(f"{words}, but {model.name} would enlarge its artefacts too")
    else:
        return Step(model, words)
    return None


def _not_installed(words: str, task: str) -> str:
    """Return the note on a fault of the photo, in words, for which no model of the task is installed."""
    return f"{words}; no {task} model is installed: i2i train regression --task {task} --data PHOTOS"


def _handles(model: RestorationModel, quality: PhotoQuality, sigma: float) -> bool:
    """Return whether a model of super-resolution was trained on photos as noisy and compressed as this one."""
    task = model.task
    if not isinstance(task, Superres) or task.downscale != "realistic":
        return False
    return sigma <= task.noise_sigma[1] and quality.lowest_quality >= task.quality[0]


def _strength(model: RestorationModel, value: float) -> float | None:
    """Return a strength for a model that takes one: the nearest multiple of STRENGTH_STEP, within its range."""
    limits = model.task.strength_range()
    if not model.takes_strength or limits is None:
        return None
    return float(min(max(STRENGTH_STEP * round(value / STRENGTH_STEP), limits[0]), limits[1]))
