"""Earlier names of commands and flags still work."""

from functools import cache

import pytest
import typer

from i2i.cli import app
from i2i.cli.old_flags import OLD_COMMANDS, OLD_FLAGS, replace_old_names
from i2i.recipes import RECIPES

ROWS = [(command, old, new) for command, flags in OLD_FLAGS.items() for old, new in flags.items()]


@cache
def flags_of(command: str) -> frozenset[str]:
    """Return all flags of a command; for a group, those of all its subcommands."""
    words = command.split()
    if words in (["train"], ["bench"]):
        return frozenset().union(*(flags_of(f"{command} {method}") for method in RECIPES))
    group = typer.main.get_command(app)
    context = group.make_context("i2i", [], resilient_parsing=True)
    for word in words:
        parent, group = context, group.get_command(context, word)
        context = group.make_context(word, [], parent=parent, resilient_parsing=True)
    return frozenset(flag for param in context.command.params for flag in (*param.opts, *param.secondary_opts))


@pytest.mark.parametrize(("command", "old", "new"), ROWS)
def test_an_old_flag_is_replaced_by_a_flag_of_its_command(command: str, old: str, new: str) -> None:
    words = [*command.split(), "cyclegan"]
    assert replace_old_names([*words, old, "1", f"{old}=1"]) == [*words, new, "1", f"{new}=1"]
    assert new in flags_of(command)
    assert old not in flags_of(command)


def test_each_replacement_is_logged(capsys: pytest.CaptureFixture[str]) -> None:
    replace_old_names(["train", "cyclegan", "--begin-with", "run"])
    assert capsys.readouterr().err == "--begin-with is now --init-from\n"


def test_the_off_switch_of_an_old_flag_is_replaced() -> None:
    assert replace_old_names(["train", "cyclegan", "--no-residual"]) == ["train", "cyclegan", "--no-residual-output"]


@pytest.mark.parametrize("task_words", [["--task", "dejpeg"], ["--task=dejpeg"]])
def test_the_old_flag_known_depends_on_the_task(task_words: list[str]) -> None:
    assert replace_old_names(["train", "regression", *task_words, "--known"])[-1] == "--quality-input"
    assert "--quality-input" in flags_of("train")
    assert replace_old_names(["train", "regression", "--task", "denoise", "--known"])[-1] == "--noise-level-input"


def test_a_flag_with_the_same_name_as_an_old_flag_of_another_command_is_kept() -> None:
    words = ["train", "cyclegan", "--steps", "3", "--count", "2"]
    assert replace_old_names(words) == words


def test_an_empty_command_line_is_kept() -> None:
    assert replace_old_names([]) == []


def test_arguments_after_two_dashes_are_kept() -> None:
    words = ["convert", "identity", "--", "--task-strength"]
    assert replace_old_names(words) == words


@pytest.mark.parametrize(("old", "new"), OLD_COMMANDS.items())
def test_an_old_command_is_replaced_and_logged(old: str, new: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert replace_old_names([*old.split(), "stripes"]) == [*new.split(), "stripes"]
    assert capsys.readouterr().err == f"i2i {old} is now i2i {new}\n"


def test_the_old_flags_of_an_old_command_are_replaced() -> None:
    words = ["data", "sample", "stripes", "--train", "3", "--test=2"]
    assert replace_old_names(words) == ["data", "generate", "stripes", "--num-train", "3", "--num-test=2"]
