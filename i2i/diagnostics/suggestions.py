"""What to try against what the doctor finds: flags that the training at hand has, with values it has not."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from i2i.config import flags, to_json

Settings = Mapping[str, Any]  # flag → its value in this training
Remedy = Callable[[Settings], dict[str, Any]]  # to the flags to be given; none, or values already given: no remedy

RESUMABLE = {"lr", "precision"}  # what a resume may change; all else makes it another training


def settings_of(*configs: Any) -> dict[str, Any]:
    """The flags of a training's configs with their present values; those of networks it does not use are left out."""
    found = {}
    for config in configs:
        present = to_json(config)
        for flag in flags(config):
            table: Any = present
            for key in flag.path[:-1]:
                table = table.get(key, {})
            if flag.path[-1] in table:
                found[flag.name] = flag.default
    return found


def prescribe(remedies: tuple[Remedy, ...], settings: Settings) -> str:
    """The half sentence that names the flags of the first remedy that would change something."""
    for remedy in (*remedies, slower, another_seed):
        given = {name: value for name, value in remedy(settings).items() if settings.get(name) != value}
        if given:
            way = "go on by --resume with" if given.keys() <= RESUMABLE else "start a new run (--name) with"
            return f"{way} {' '.join(_spelled(given))}"
    return "start a new run (--name)"


def steadier_game(now: Settings) -> dict[str, Any]:
    """Hinge and R1, which both keep D's slope small. R1 does not go with batch norm in D."""
    if "adversarial" not in now or now["adversarial"].startswith("wgan"):
        return {}
    return {"adversarial": "hinge", "r1": max(1.0, now["r1"]), **_without_batch_norm(now)}


def no_momentum(now: Settings) -> dict[str, Any]:
    """Arjovsky et al. 2017, section 4.3: a clipped critic becomes unstable with a momentum-based optimiser."""
    if now.get("adversarial") == "wgan" and now.get("optimizer") == "adam":
        return {"optimizer": "rmsprop", "lr": min(now["lr"], 5e-4)}
    return {}


def sight_of_the_batch(now: Settings) -> dict[str, Any]:
    """Karras et al. 2018, section 3: D sees at once that all pictures are alike."""
    return {"d-minibatch-std": True} if "d-minibatch-std" in now else {}


def fresher_pictures(now: Settings) -> dict[str, Any]:
    """D knows few pictures by heart, unless it never sees them twice alike."""
    return {"augment": "diffaugment"} if now.get("augment") == "none" else {}


def weaker_critic(now: Settings) -> dict[str, Any]:
    return {"d-ndf": now["d-ndf"] // 2} if now.get("d-ndf", 0) > 8 else {}


def freer_critic(now: Settings) -> dict[str, Any]:
    """What holds D down, loosened."""
    return {"r1": now["r1"] / 10} if now.get("r1") else {}


def busier_critic(now: Settings) -> dict[str, Any]:
    return {"critic-steps": now["critic-steps"] + 1} if "critic-steps" in now else {}


def firmer_anchor(now: Settings) -> dict[str, Any]:
    """More of the term that ties the output to its input, or to its truth."""
    return {name: 2 * now[name] for name in ("weight-cycle", "weight-l1", "weight-nce") if now.get(name)}


def looser_anchor(now: Settings) -> dict[str, Any]:
    """Less of what holds the output to its input. Pairs need no freedom: they need more of their truth."""
    if "weight-l1" in now:
        return firmer_anchor(now)
    if now.get("weight-identity"):
        return {"weight-identity": 0.0}
    if now.get("nce-identity"):
        return {"nce-identity": False}
    return looser_cycle(now) or {name: now[name] / 2 for name in ("weight-nce",) if now.get(name)}


def looser_cycle(now: Settings) -> dict[str, Any]:
    return {"weight-cycle": now["weight-cycle"] / 2} if now.get("weight-cycle") else {}


def kept_colours(now: Settings) -> dict[str, Any]:
    """Zhu et al. 2017, section 5.2: what already belongs to the other domain is to stay as it is."""
    if "weight-identity" in now:
        return {"weight-identity": max(1.0, now["weight-identity"])}
    return {"nce-identity": True} if "nce-identity" in now else {}


def shorter_gradients(now: Settings) -> dict[str, Any]:
    """Pascanu et al. 2013, section 3.2: one batch with a huge gradient is not to throw the weights off."""
    return {"clip-norm": now["clip-norm"] / 5 or 0.5} if "clip-norm" in now else {}


def smoother_upsampling(now: Settings) -> dict[str, Any]:
    """Odena et al. 2016: resize, then convolve. A U-Net has no such layer."""
    if now.get("generator") == "unet":
        return {"generator": "resnet", "upsampling": "resize"}
    return {"upsampling": "resize"} if now.get("upsampling") == "transposed" else {}


def own_statistics(now: Settings) -> dict[str, Any]:
    """Running statistics of small batches blacken what a translator paints with them."""
    return {"norm": "instance"} if now.get("norm") == "batch" and "inference" in now else {}


def full_precision(now: Settings) -> dict[str, Any]:
    return {"precision": "float32"} if "precision" in now else {}


def slower(now: Settings) -> dict[str, Any]:
    return {"lr": now["lr"] / 2} if "lr" in now else {}


def another_seed(now: Settings) -> dict[str, Any]:
    return {"seed": now["seed"] + 1} if "seed" in now else {}


def _without_batch_norm(now: Settings) -> dict[str, Any]:
    return {"d-norm": "instance"} if now.get("d-norm") == "batch" else {}


def _spelled(given: Mapping[str, Any]) -> Iterator[str]:
    for name, value in given.items():
        if isinstance(value, bool):
            yield f"--{name}" if value else f"--no-{name}"
        else:
            yield f"--{name} {value:g}" if isinstance(value, float) else f"--{name} {value}"
