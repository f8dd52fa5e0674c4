"""Suggestions: flags that may help against a failure, among those that the training has.

A suggestion is a function from the present settings to new values of flags. It returns {} if it does not apply.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from i2i.config import flags, to_json

Settings = Mapping[str, Any]  # flag → its value in this training
Suggestion = Callable[[Settings], dict[str, Any]]

RESUMABLE_FLAGS = {"lr", "precision"}  # a resume may change these; other flags need a new run


def flag_values(*configs: Any) -> dict[str, Any]:
    """Return the flags of a training's configs with their values, without those of networks it does not use."""
    values: dict[str, Any] = {}
    for config in configs:
        present = to_json(config)
        for flag in flags(config):
            table: Any = present
            for key in flag.path[:-1]:
                table = table.get(key, {})
            if flag.path[-1] in table:
                values[flag.name] = flag.default
    return values


def suggest_flags(suggestions: tuple[Suggestion, ...], settings: Settings) -> str:
    """Return a clause with the flags of the first suggestion that would change something.

    Args:
        suggestions: in the order of preference.
        settings: the present values by flag, from ``flag_values``.
    """
    for suggestion in (*suggestions, halve_lr, change_seed):
        changes = {name: value for name, value in suggestion(settings).items() if settings.get(name) != value}
        if changes:
            action = (
                "continue by --resume with" if changes.keys() <= RESUMABLE_FLAGS else "start a new run (--name) with"
            )
            return f"{action} {' '.join(_as_arguments(changes))}"
    return "start a new run (--name)"


def use_hinge_and_r1(settings: Settings) -> dict[str, Any]:
    """Both keep the gradient of D small. R1 does not work with batch norm in D."""
    if "adversarial" not in settings or settings["adversarial"].startswith("wgan"):
        return {}
    changes = {"adversarial": "hinge", "r1": max(1.0, settings["r1"])}
    if settings.get("d-norm") == "batch":
        changes["d-norm"] = "instance"
    return changes


def use_rmsprop(settings: Settings) -> dict[str, Any]:
    """Arjovsky et al. 2017, section 4.3: a weight-clipped critic becomes unstable with a momentum-based optimizer."""
    if settings.get("adversarial") == "wgan" and settings.get("optimizer") == "adam":
        return {"optimizer": "rmsprop", "lr": min(settings["lr"], 5e-4)}
    return {}


def use_minibatch_std(settings: Settings) -> dict[str, Any]:
    """Karras et al. 2018, section 3: D detects that all images of a batch are alike."""
    return {"d-minibatch-std": True} if "d-minibatch-std" in settings else {}


def augment_discriminator(settings: Settings) -> dict[str, Any]:
    """D memorises few images, unless it never sees one twice in the same way."""
    return {"augment": "diffaugment"} if settings.get("augment") == "none" else {}


def shrink_discriminator(settings: Settings) -> dict[str, Any]:
    """Half the channels in D."""
    return {"d-ndf": settings["d-ndf"] // 2} if settings.get("d-ndf", 0) > 8 else {}


def lower_r1(settings: Settings) -> dict[str, Any]:
    """A weaker penalty restrains D less."""
    return {"r1": settings["r1"] / 10} if settings.get("r1") else {}


def more_discriminator_steps(settings: Settings) -> dict[str, Any]:
    """One more step of D for each step of G."""
    return {"d-steps": settings["d-steps"] + 1} if "d-steps" in settings else {}


def raise_reconstruction_weight(settings: Settings) -> dict[str, Any]:
    """Double the weight of the loss that ties the output to its input or its target."""
    names = ("weight-cycle", "weight-l1", "weight-nce")
    return {name: 2 * settings[name] for name in names if settings.get(name)}


def lower_reconstruction_weight(settings: Settings) -> dict[str, Any]:
    """Weaken the losses that tie the output to its input; with pairs, strengthen the loss on the target instead."""
    if "weight-l1" in settings:
        return raise_reconstruction_weight(settings)
    if settings.get("weight-identity"):
        return {"weight-identity": 0.0}
    if settings.get("nce-identity"):
        return {"nce-identity": False}
    if changes := lower_cycle_weight(settings):
        return changes
    return {"weight-nce": settings["weight-nce"] / 2} if settings.get("weight-nce") else {}


def lower_cycle_weight(settings: Settings) -> dict[str, Any]:
    """Half the weight of the cycle loss."""
    return {"weight-cycle": settings["weight-cycle"] / 2} if settings.get("weight-cycle") else {}


def add_identity_loss(settings: Settings) -> dict[str, Any]:
    """Zhu et al. 2017, section 5.2: images that are in the target domain already must not change, so colours stay."""
    if "weight-identity" in settings:
        return {"weight-identity": max(1.0, settings["weight-identity"])}
    return {"nce-identity": True} if "nce-identity" in settings else {}


def clip_gradients(settings: Settings) -> dict[str, Any]:
    """Pascanu et al. 2013, section 3.2: a clipped gradient of one batch cannot make the weights diverge."""
    return {"grad-clip": settings["grad-clip"] / 5 or 0.5} if "grad-clip" in settings else {}


def use_resize_upsampling(settings: Settings) -> dict[str, Any]:
    """Odena et al. 2016: resize, then convolve. The U-Net has no such layer."""
    if settings.get("generator") == "unet":
        return {"generator": "resnet", "upsampling": "resize"}
    return {"upsampling": "resize"} if settings.get("upsampling") == "transposed" else {}


def use_instance_norm(settings: Settings) -> dict[str, Any]:
    """With running statistics of small batches, a translator's output can be black."""
    return {"norm": "instance"} if settings.get("norm") == "batch" and "inference-mode" in settings else {}


def raise_norm_eps(settings: Settings) -> dict[str, Any]:
    """With a large ε, feature maps of low contrast stay so without a spot, if the weights start at the usual size."""
    if "norm-eps" not in settings:
        return {}
    starts_small = settings.get("residual-output") or settings.get("spectral-norm")
    return {"norm-eps": 1.0, "weight-init": "kaiming"} | ({} if starts_small else {"output-gain": 0.1})


def use_float32(settings: Settings) -> dict[str, Any]:
    """No autocast to bfloat16."""
    return {"precision": "float32"} if "precision" in settings else {}


def halve_lr(settings: Settings) -> dict[str, Any]:
    """Half the learning rate."""
    return {"lr": settings["lr"] / 2} if "lr" in settings else {}


def change_seed(settings: Settings) -> dict[str, Any]:
    """The next seed."""
    return {"seed": settings["seed"] + 1} if "seed" in settings else {}


def _as_arguments(changes: Mapping[str, Any]) -> Iterator[str]:
    """Yield flags with values as on a command line."""
    for name, value in changes.items():
        if isinstance(value, bool):
            yield f"--{name}" if value else f"--no-{name}"
        elif isinstance(value, float):
            yield f"--{name} {value:g}"
        else:
            yield f"--{name} {value}"
