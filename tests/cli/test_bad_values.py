"""Messages about bad values name the flag, the value and what was expected."""

import shlex

import pytest

import i2i
from i2i.errors import ConfigError
from tests.cli.test_cli import run

TRAIN = "train cyclegan --data nowhere"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"{TRAIN} --d-receptive-field 50", "--d-receptive-field is 50; it must be one of 1, 16"),
        (f"{TRAIN} --d-scales 0", "--d-scales is 0; it must be from 1 to 6."),
        (f"{TRAIN} --size 9999", "--size is 9999; it must be from 8 to 2048."),
        (f"{TRAIN} --eval-every 0 --best-metric kid", "--eval-every is 0; it must be above 0 with --best-metric."),
        (f"{TRAIN} --generator unet --blocks 3", "unet has no option --blocks; it has --ngf, --norm"),
        (f"{TRAIN} --augmentations no.json", "--augmentations: The pipeline 'no.json' does not exist"),
        ("train pix2pix --data nowhere --ignore-label 3", "--ignore-label is 3; it must be left out without --labels."),
        (
            "train pix2pix --data nowhere --labels 3 --task denoise",
            "--task is 'denoise'; it must be none with --labels",
        ),
        ("degrade x.png --out y --task superres --scale 7", "--scale is 7; it must be one of 2, 3, 4."),
        ("evaluate denoise --max-images 1", "--max-images is 1; it must be 2 or above."),
        ("sample nowhere --num-images 0 --out x.png", "--num-images is 0; it must be from 1 to 100000."),
        (
            "convert denoise x.png --out o --quality 101",
            "'--quality': found '101'; it must be a whole number from 1 to",
        ),
        ("convert denoise x.png --out o --blend nan", "'--blend': found 'nan'; it must be a number from 0 to 1."),
        ("convert denoise x.png --out o --value-range a b", "'--value-range': found 'a'; it must be two numbers."),
        ("demo --max-files 0", "'--max-files': found '0'; it must be a whole number, 1 or above."),
        (f"{TRAIN} --steps abc", "'--steps': found 'abc'; it must be a whole number."),
        (f"{TRAIN} --betas 0.5", "--betas needs 2 values after it. `i2i train cyclegan --help` describes it."),
        ("convert denoise x.png --out --format png", "--out needs a value after it; found the flag --format."),
        ("convert denoise x.png -o --format png", "-o needs a value after it; found the flag --format."),
        (f"{TRAIN} --name --lossless --size 64 --lr --steps 3", "--lr needs a value after it; found the flag --steps."),
        ("train cyclegan stripes", "takes options only. Name a dataset as --data stripes."),
        (f"{TRAIN} --flip maybe", "--flip is a switch, without a value: leave out 'maybe'."),
        ("data preview stripes --zzz", "No such option: --zzz. `i2i data preview --help` lists the options."),
    ],
)
def test_a_message_names_the_flag_the_value_and_what_is_expected(line: str, message: str) -> None:
    result = run(*shlex.split(line))
    assert (result.returncode, message in " ".join(result.stderr.split())) == (2, True), result.stderr


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"d_receptive_field": 50},
            r"^d_receptive_field \(model\.discriminator\.receptive_field\) is 50; it must be one",
        ),
        ({"lr": -1.0}, "^lr is -1.0; it must be above 0"),
        ({"block_padding": "zero"}, r"^block_padding \(model\.generator\.padding\) is 'zero'"),
        ({"adversarial": "wgan-gp", "augment": "ada"}, "^augment ada needs .* Use augment diffaugment, or another adv"),
    ],
)
def test_python_names_the_argument_and_the_path_of_its_field(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        i2i.train("cyclegan", data="nowhere", **settings)
