"""The commands in the documents: find them, check their flags, and make them small enough to run in a test."""

import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import typer

import i2i
from i2i.cli import app
from i2i.cli.train import distill_as_training

_ROOT_COMMAND: Any = typer.main.get_command(app)

ROOT = Path(i2i.__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "i2i" / "docs").glob("*.md"))]

_COMMAND = re.compile(r"^(?:pip install uv && )?(?:uv run |torchrun .*-m )?(i2i(?: .*)?)$")
_FENCE = re.compile(r"^ *```(\w*).*?\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_NOT_RUN = "<!-- not run"


def commands(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each ``i2i`` command in the code blocks of a Markdown text, without comments."""
    fenced = [code for language, code in _FENCE.findall(text) if language != "python"]
    indented = [line for line in re.sub(r" *\\\n", " ", _FENCE.sub("", text)).splitlines() if line.startswith("    ")]
    for line in [*"\n".join(fenced).replace("\\\n", " ").splitlines(), *indented]:
        if match := _COMMAND.match(line.strip()):
            yield shlex.split(match[1], comments=True)[1:]


def benchmark_commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield (script, flags) of each command in the text that runs a script of ``tests/benchmarks``."""
    joined = re.sub(r" *\\\n", " ", text)
    for script, arguments in re.findall(r"python -m tests\.benchmarks\.(\w+)([^\n`#]*)", joined):
        yield script, re.findall(r"(?<!\S)--[a-z-]+", arguments)


def benchmark_flags(script: str) -> set[str]:
    """Return the flags of a script of ``tests/benchmarks``."""
    source = (ROOT / "tests" / "benchmarks" / f"{script}.py").read_text()
    return set(re.findall(r'add_argument\(\s*"(--[a-z-]+)"', source))


def code_spans(text: str) -> Iterator[str]:
    """Yield the text of each `code span` of a Markdown text."""
    for span in re.findall(r"`([^`]+)`", _FENCE.sub("", text)):
        yield " ".join(span.split())


def python_blocks(text: str) -> Iterator[str]:
    """Yield the Python code blocks of a Markdown text, except those below a comment ``<!-- not run: why -->``."""
    for match in _FENCE.finditer(text):
        if match[1] == "python" and not text[: match.start()].rstrip().rpartition("\n")[2].startswith(_NOT_RUN):
            yield match[2]


def find_command(words: list[str]) -> tuple[tuple[str, ...], list[str]]:
    """Split the arguments of ``i2i`` into the name of the command, such as ("data", "list"), and its own arguments.

    Old names are not accepted.

    Raises:
        ValueError: there is no such command.
    """
    words = distill_as_training(words)
    command: Any = _ROOT_COMMAND
    names: list[str] = []
    while words and hasattr(command, "get_command") and not words[0].startswith("-"):
        name, *words = words
        names.append(name)
        command = command.get_command(_context(command), name)
        if command is None:
            raise ValueError(f"there is no command i2i {' '.join(names)}")
    return tuple(names), words


def _context(command: Any) -> Any:
    """Return a context of a command without arguments. Commands that are built when they are called are built."""
    return command.make_context("i2i", [], resilient_parsing=True)


@cache
def _command(names: tuple[str, ...]) -> Any:
    """Return the command object, built."""
    command: Any = _ROOT_COMMAND
    for name in names:
        command = command.get_command(_context(command), name)
    return _context(command).command


@cache
def flags_of(names: tuple[str, ...]) -> frozenset[str]:
    """Return the flags of a command."""
    command = _command(names)
    options = command.get_params(_context(command))
    return frozenset(flag for option in options for flag in (*option.opts, *option.secondary_opts))


def unknown_flags(words: list[str]) -> list[str]:
    """Return the words of a command line that look like flags and are none of its command."""
    names, rest = find_command(words)
    known = {*flags_of(names), "--debug"}
    return [word for word in rest if word.startswith("--") and word.partition("=")[0] not in known]


def parse(words: list[str]) -> None:
    """Parse a command line without running it: every flag must exist, every value must be valid.

    Raises:
        Exception: the parser's error.
    """
    names, rest = find_command(words)
    if not {"--help", "--help-all"} & {*rest}:
        _command(names).make_context(" ".join(names), list(rest))


@cache
def all_flags() -> frozenset[str]:
    """Return the flags of all commands."""
    flags: set[str] = set()
    pending: list[tuple[str, ...]] = [()]
    while pending:
        names = pending.pop()
        flags |= flags_of(names)
        command = _command(names)
        if hasattr(command, "list_commands"):
            pending += [(*names, name) for name in command.list_commands(_context(command))]
    return frozenset(flags)


_COMMON = "--steps 1 --size 32 --batch-size 2 --device cpu --precision float32 --workers 0"
_TRANSLATOR = "--generator resnet --ngf 2 --blocks 1"
_RESTORER = "--generator restorer --width 4 --levels 2 --depth 1"
_PATCHGAN = "--d-ndf 2 --d-receptive-field 1"
_TINY = {
    "cyclegan": f"{_TRANSLATOR} {_PATCHGAN} --pool-size 2",
    "cut": f"--ngf 2 --blocks 1 {_PATCHGAN} --nce-layers 0,4 --nce-num-patches 8 --nce-dim 4",
    "pix2pix": f"{_TRANSLATOR} {_PATCHGAN}",
    "regression": _RESTORER,
    "distill": "--ngf 2 --blocks 1",
    "gan": "--ngf 2 --d-ndf 2",
}
_TINY_MLP = "--width 8 --depth 1 --d-width 8 --d-depth 1"


def tiny(words: list[str]) -> list[str]:
    """Return a command line with flags appended that make it run in a moment on tiny data. Later flags win."""
    if {"--help", "--help-all"} & {*words}:
        return words
    name = words[0]
    if name == "distill":
        return [*words, *_tiny_training(["train", *words])]
    if name in ("train", "bench"):
        return [*words, *_tiny_training(words)]
    if words[:2] == ["data", "generate"]:
        return [*words, "--num-train", "2", "--num-test", "2", "--size", "32"]
    if name == "evaluate":
        return [*words, "--device", "cpu", "--precision", "float32", "--max-images", "3"]
    if name == "sample":
        count = ["--num-images", "4"] if "--num-images" in words else []
        return [*words, "--device", "cpu", "--precision", "float32", *count]
    return [*words, "--device", "cpu"] if name == "convert" else words


def _tiny_training(words: list[str]) -> list[str]:
    if "--resume" in words:
        return []
    method = words[1]
    if "mlp" in words:
        networks = _TINY_MLP
    elif method == "distill" and "--task" in words:
        networks = _RESTORER
    elif method == "pix2pix" and "--task" in words:
        networks = f"{_RESTORER} {_PATCHGAN}"
    else:
        networks = _TINY[method]
    length = " --max-hours 1e-6" if "--max-hours" in words else ""
    timed = " --timed-steps 1" if words[0] == "bench" else ""
    return f"{_COMMON} {networks}{length}{timed}".split()
