"""Earlier names of commands and flags, which still work but are not shown in the help."""

from collections.abc import Sequence
from itertools import pairwise

from i2i.cli.console import log_line

TASK_FLAGS = {
    "--known": "--noise-level-input",  # see _KNOWN for the task dejpeg
    "--saved": "--camera-jpeg-quality",
    "--shot": "--shot-noise",
    "--quantised": "--quantize",
    "--extent": "--blur-size",
    "--grain": "--noise-sigma",
    "--lens": "--blur-sigma",
    "--shrink": "--downscale",
    "--holes": "--mask-fraction",
    "--stroke": "--mask-stroke",
    "--box": "--mask-box",
    "--drops": "--rain-density",
    "--streak": "--rain-length",
    "--haze": "--haze-density",
    "--stops": "--underexposure-stops",
    "--damage": "--severity",
    "--speckle": "--max-noise",
    "--poorest": "--min-jpeg-quality",
}
_KNOWN = {"dejpeg": "--quality-input"}  # the new name of --known, for tasks other than denoise

TRAIN_FLAGS = {
    **TASK_FLAGS,
    "--jitter": "--resize-scale",
    "--fit": "--resize",
    "--inference": "--inference-mode",
    "--init": "--weight-init",
    "--d-init": "--d-weight-init",
    "--residual": "--residual-output",
    "--shows": "--restorer-conditioning",
    "--answers": "--restorer-prediction",
    "--fold": "--unshuffle",
    "--enlarge": "--restorer-scale",
    "--d-pieces": "--d-maxout-pieces",
    "--weight-gp": "--weight-gradient-penalty",
    "--clip": "--weight-clip",
    "--critic-steps": "--d-steps",
    "--weight-features": "--weight-feature-matching",
    "--ada-pictures": "--ada-images",
    "--pool": "--pool-size",
    "--nce-patches": "--nce-num-patches",
    "--nce-features": "--nce-dim",
    "--pixel": "--pixel-loss",
    "--hours": "--max-hours",
    "--begin-with": "--init-from",
    "--clip-norm": "--grad-clip",
    "--decay": "--decay-fraction",
    "--record": "--cuda-graph",
    "--evaluate-every": "--eval-every",
    "--evaluate-pictures": "--eval-images",
    "--keep-best": "--best-metric",
    "--save-minutes": "--save-every-minutes",
}

OLD_FLAGS: dict[str, dict[str, str]] = {
    "train": TRAIN_FLAGS,
    "bench": {**TRAIN_FLAGS, "--rounds": "--timed-steps"},
    "degrade": TASK_FLAGS,
    "convert": {"--task-strength": "--degradation-level"},
    "evaluate": {
        "--by": "--rank-by",
        "--count": "--max-images",
        "--fit": "--resize",
        "--votes": "--votes-file",
        "--task-strength": "--degradation-level",
    },
    "sample": {
        "--separate": "--out-dir",
        "--across": "--columns",
        "--count": "--num-images",
        "--steps": "--interpolation-steps",
    },
    "data generate": {"--train": "--num-train", "--test": "--num-test"},
    "demo": {
        "--max-size": "--max-upload-mb",
        "--keep-minutes": "--delete-after-minutes",
        "--keep-models": "--max-loaded-models",
        "--clips": "--allow-video",
        "--queue": "--max-queue",
    },
}
OLD_COMMANDS = {"data get": "data download", "data sample": "data generate"}


def replace_old_names(args: Sequence[str]) -> list[str]:
    """Replace old names of the command and of its flags by the current ones, and log each replacement.

    Args:
        args: the words of the command line after "i2i".
    """
    args = _replace_old_command(args)
    flags = OLD_FLAGS.get(" ".join(args[:2])) or OLD_FLAGS.get(args[0] if args else "", {})
    task = option_value(args, "--task")
    if task in _KNOWN and "--known" in flags:
        flags = {**flags, "--known": _KNOWN[task]}
    end = args.index("--") if "--" in args else len(args)  # arguments follow, which are not flags
    return [_replace_old_flag(arg, flags) for arg in args[:end]] + args[end:]


def _replace_old_command(args: Sequence[str]) -> list[str]:
    old = " ".join(args[:2])
    if old not in OLD_COMMANDS:
        return list(args)
    new = OLD_COMMANDS[old]
    log_line("i2i {} is now i2i {}", old, new)
    return [*new.split(), *args[2:]]


def _replace_old_flag(arg: str, flags: dict[str, str]) -> str:
    """Return an argument with an old flag replaced, also in the forms --flag=value and --no-flag."""
    flag, equals, value = arg.partition("=")
    new = flags.get(flag)
    if new is None and flag.startswith("--no-"):
        positive = flags.get(flag.replace("--no-", "--", 1))
        new = positive and positive.replace("--", "--no-", 1)
    if new is None:
        return arg
    log_line("{} is now {}", flag, new)
    return new + equals + value


def option_value(args: Sequence[str], name: str) -> str:
    """Return the value of an option, from "--name value" or "--name=value"; "" if it is not there."""
    for arg, following in pairwise([*args, ""]):
        if arg == name:
            return following
        if arg.startswith(f"{name}="):
            return arg.removeprefix(f"{name}=")
    return ""
