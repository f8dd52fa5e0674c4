"""Texts for models and directions."""

import re

from i2i.demo.model_registry import RegisteredModel
from i2i.directions import Direction

_DOMAIN_NAMES = {  # of datasets whose name is not of the form "horse2zebra"
    "stripes": ("plain", "striped"),
    "outlines": ("outline", "painting"),
    "facades": ("photo", "label map"),
    "monet2photo": ("Monet", "photo"),
    "photo2monet": ("photo", "Monet"),
}
_TASK_TEXTS = {
    "denoise": "noisy → clean",
    "dejpeg": "JPEG artefacts → clean",
    "deblur": "blurred → sharp",
    "superres": "small → {scale}× larger",
    "inpaint": "missing → filled",
    "colorize": "grey → colour",
    "derain": "rain → clear",
    "dehaze": "haze → clear",
    "lowlight": "dark → bright",
    "oldphoto": "old photo → restored",
    "dewebp": "WebP artefacts → clean",
    "deglass": "behind frosted glass → clear",
    "dezoom": "zoom blur → sharp",
    "deshadow": "shadows → none",
    "deflare": "lens flare → none",
    "dering": "ringing → clean",
    "depixelate": "pixelated → smooth",
    "deposterize": "few levels → smooth",
    "despatter": "drops on the lens → clear",
    "albumentations": "degraded → clean",
}
_METHOD_NAMES = {
    "cyclegan": "CycleGAN",
    "cut": "CUT",
    "pix2pix": "Pix2Pix",
    "regression": "regression",
    "distill": "distillation",
}


def direction_label(model: RegisteredModel, direction: str) -> str:
    """Return a direction in words, such as "horse → zebra", or "A → B" if the domains have no names."""
    a, b = _domain_names(model)
    return f"{a} → {b}" if direction == Direction.A_TO_B else f"{b} → {a}"


def _domain_names(model: RegisteredModel) -> tuple[str, str]:
    dataset = model.info.data.name
    match = re.fullmatch(r"([a-z]+)2([a-z]+)", dataset)
    return _DOMAIN_NAMES.get(dataset) or ((match[1], match[2]) if match else ("A", "B"))


def direction_choices(model: RegisteredModel) -> list[tuple[str, str]]:
    """Return (label, direction) of each direction of a model, as Gradio's choices."""
    if model.info.task_title:
        return [(model.info.task_title, model.info.directions[0])]
    return [(direction_label(model, direction), direction) for direction in model.info.directions]


def model_and_direction(model: RegisteredModel, direction: str) -> str:
    """Return the model's name, followed by the direction if the model has two."""
    return f"{model.name}: {direction_label(model, direction)}" if len(model.info.directions) > 1 else model.name


def purpose(model: RegisteredModel) -> str:
    """Return what a model does: its title, or such as "horse → zebra" or "noisy → clean"."""
    if model.info.title:
        return model.info.title
    if model.info.task_title:
        name = model.info.task_name or "superres"  # learnt from pairs of small and large images
        return _TASK_TEXTS.get(name, name).replace(
            "{scale}", str((model.info.task or {}).get("scale", model.info.scale))
        )
    a, b = _domain_names(model)
    if len(model.info.directions) > 1:
        return f"{a} ↔ {b}"
    return direction_label(model, model.info.directions[0])


def origin(model: RegisteredModel) -> str:
    """Return how and when a model was trained, such as "CycleGAN on horse2zebra, 256 px, 26 Nov 2026"."""
    info = model.info
    method = _METHOD_NAMES.get(info.method, info.method)
    parts = [f"{method or 'trained'} on {info.data.name}" if info.data.name else method, f"{info.size} px"]
    if info.source:
        parts = [f"imported from {info.source.partition(',')[0]}"]
    if model.is_shipped:
        parts.append("comes with i2i")
    elif model.trained is not None:
        parts.append(f"{model.trained.day} {model.trained:%b %Y}" if model.trained.year > 1970 else "")
    return ", ".join(filter(None, parts))


def card_caption(model: RegisteredModel) -> str:
    """Return the text of a model's card: what it does, and its name with the method."""
    method = _METHOD_NAMES.get(model.info.method, model.info.method)
    return f"{purpose(model)}\n{model.name}" + (f" · {method}" if method else "")
