"""Options of the CycleGAN/pix2pix reference are answered by name."""

import re

import pytest

from i2i.api.reference_options import REFERENCE_OPTIONS, reference_table, refuse_reference_options
from i2i.cli.docs import read_pages
from i2i.errors import UsageError
from tests.cli.test_cli import run
from tests.docs.commands import all_flags, find_command

NAMED = [
    "dataroot", "n_epochs", "n_epochs_decay", "load_size", "crop_size", "continue_train", "netG", "netD", "gan_mode",
    "lambda_A", "pool_size", "direction", "model", "phase", "results_dir", "gpu_ids", "batch_size", "display_id",
    "input_nc",
]  # fmt: skip


def test_each_answer_names_a_flag_or_command_of_i2i() -> None:
    for row in REFERENCE_OPTIONS:
        for text in (row.i2i, row.note, *row.values.values()):
            for flag in re.findall(r"(?<!\S)`?(--[a-z][\w-]*)", text):
                assert flag in all_flags() | {"--logdir"}, flag
            if text.startswith("i2i "):
                find_command([word for word in text.split()[1:] if word != "NAME"])


def test_no_flag_of_i2i_is_refused() -> None:
    for flag in sorted(all_flags()):
        refuse_reference_options(["train", "cyclegan", flag])


@pytest.mark.parametrize("name", NAMED)
def test_the_usual_options_are_in_the_table(name: str) -> None:
    assert any(f"--{name}" in option.names for option in REFERENCE_OPTIONS)


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["--dataroot", "x"], "`--dataroot` of the reference is `--data` in i2i."),
        (["--dataroot=x"], "`--dataroot` of the reference is `--data` in i2i."),
        (
            ["--netG", "resnet_6blocks"],
            "`--netG resnet_6blocks` of the reference is `--generator resnet --blocks 6` in",
        ),
        (["--netG=unet_256"], "`--netG unet_256` of the reference is `--generator unet` in i2i."),
        (["--gan_mode", "vanilla"], "is `--adversarial non-saturating` in i2i."),
        (["--fineSize", "256"], "`--fineSize` of the reference is `--size` in i2i."),
        (["--display_id", "-1"], "`--display_id` of the reference has no equivalent in i2i. Losses and samples are in"),
    ],
)
def test_an_option_of_the_reference_is_answered_by_name(words: list[str], answer: str) -> None:
    for command in (["train"], ["train", "cyclegan"], ["convert"]):
        with pytest.raises(UsageError, match=re.escape(answer)):
            refuse_reference_options([*command, *words])


def test_all_options_of_a_command_line_are_answered_at_once() -> None:
    result = run("train", "--dataroot", "x", "--name", "y", "--model", "cycle_gan", "--batch_size", "1")
    assert result.returncode == 2
    for name in ("--dataroot", "--model cycle_gan", "--batch_size"):
        assert f"`{name}` of the reference is" in result.stderr
    assert "i2i docs migration" in result.stderr


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        ("train cyclegan --n-epochs 5", "`--n_epochs` of the reference is `--epochs` in i2i."),
        ("train cyclegan --lambda-a 5", "`--lambda_A` of the reference is `--weight-cycle` in i2i."),
        ("data check x --load-size 286", "`--load_size` of the reference is `--resize-scale` in i2i."),
        ("train cut --CUT_mode FastCUT", "`--CUT_mode FastCUT` of the reference is `--recipe fastcut` in i2i."),
        ("train cyclegan --direction BtoA", "`i2i train cyclegan` has no option `--direction`. `cyclegan` learns both"),
    ],
)
def test_an_unknown_option_that_resembles_one_of_the_reference_is_answered(words: str, answer: str) -> None:
    result = run(*words.split())
    assert result.returncode == 2
    assert answer in result.stderr


def test_another_unknown_option_is_refused_as_such() -> None:
    result = run("train", "cyclegan", "--no-such-option")
    assert result.returncode == 2
    assert "No such option: --no-such-option" in result.stderr


def test_arguments_after_two_dashes_are_kept() -> None:
    refuse_reference_options(["convert", "identity", "--", "--dataroot"])


def test_the_page_and_the_help_hold_the_table() -> None:
    page = read_pages()["migration"]
    help = run("train", "--help").stdout
    assert "--dataroot → --data" in help
    for names, i2i, note in reference_table():
        cells = (", ".join(f"`{name}`" for name in names.split(", ")), f"`{i2i}`" if i2i else "none", note)
        assert "| " + " | ".join(cells) + " |" in page
