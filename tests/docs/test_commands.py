"""Every command and Python example in the documents works: on tiny data, in this process."""

import os
import re
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from i2i.api.reference_options import REFERENCE_OPTIONS
from i2i.cli import main
from i2i.metrics import inception
from tests.augmentations.pipelines import text, transform
from tests.checkpoints.foreign.architectures import ReferenceResnet, randomise
from tests.checkpoints.foreign.restoration import write as write_restoration_model
from tests.conftest import random_image, write_random_images
from tests.convert.test_video import write_video
from tests.docs.commands import (
    PAGES,
    ROOT,
    all_flags,
    benchmark_commands,
    benchmark_flags,
    code_spans,
    commands,
    find_command,
    parse,
    python_blocks,
    tiny,
    unknown_flags,
)
from tests.metrics.standin import ChannelStatistics

pytestmark = pytest.mark.slow

TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in PAGES}
COMMANDS = {" ".join(words): words for text in TEXTS.values() for words in commands(text)}
NO_COMMANDS = ("limits", "extending", "architecture", "security")
NOT_RUN = ("demo", "data download", "models push")  # they serve until they are stopped, or need a host
NOT_HERE = ("://", "--ray ", "--track ")  # they need servers, or processes of Ray; tests of their own run them
EXAMPLES = [pytest.param(code, id=f"{page}-{i}") for page, text in TEXTS.items()
            for i, code in enumerate(python_blocks(text)) if page != "extending"]  # fmt: skip
SIZE = 32  # the smallest size of LPIPS and of the projected discriminator


def is_run(line: str) -> bool:
    """Return whether a command of a document is run here."""
    return not line.startswith(NOT_RUN) and not any(part in line for part in NOT_HERE)


TRAININGS = (
    "cyclegan --data stripes",
    "cyclegan --data horse2zebra",
    "cut --data horse2zebra",
    "pix2pix --data facades",
    "gan --data shapes",
    "regression --data photos --task denoise",
    "regression --data photos --task inpaint",
    "regression --data photos --task colorize",
    "regression --data photos --task superres --name superres2",
    "regression --pairs small large --name own-superres",
    "pix2pix --data cells --value-range 0 4095",
    "cyclegan --data thermal --value-range-a 270 320",
    "pix2pix --data landcover --labels 3",
    "pix2pix --data scenes --stack {stem}_{B02,B03,B04}.tif --value-range-a 0 3000",
    "regression --data photos --task denoise --noise-level-input --name denoise-with-level",
)
COPIES = {
    "horse2zebra": "horse2zebra-cut",
    "monet": "horse2zebra-cut",
    "mine-cyclegan": "horse2zebra-cyclegan",
    "mine-from-zebras": "horse2zebra-cyclegan",
    "denoise": "photos-denoise",
    "bsds400-denoise": "photos-denoise",
}
RESULTS = (
    "convert stripes-cyclegan datasets/stripes/testA --out striped/",
    "convert stripes-cyclegan datasets/horse2zebra/testA --out zebras/",
    "sample shapes-gan --num-images 3 --out-dir generated/",
    "data pack stripes --shards stripes-shards",
    "train cyclegan --data horse2zebra --save-config horses.json",
    "models import latest_net_G_A.pth latest_net_G_B.pth --name horses",
    "models import 4x.safetensors --name upscale4",
)


def run(*words: str) -> int:
    """Run ``i2i`` in this process. Returns its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["i2i", *words])
        try:
            main()
        except SystemExit as stop:
            return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0


def make_data() -> None:
    """Write the datasets and photos that the documents name."""
    datasets = Path("datasets")
    for name in ("stripes", "outlines", "leaves", "shapes"):
        assert run(*tiny(["data", "generate", name])) == 0
    for name in ("horse2zebra", "mine"):
        for seed, folder in enumerate(("trainA", "trainB", "testA", "testB")):
            write_random_images(datasets / name / folder, 3, SIZE, seed)
    for split in ("train", "test"):
        for image in write_random_images(datasets / "facades" / split, 3, SIZE):
            random_image(1, 2 * SIZE, SIZE).save(image)
    for folder in ("kodak24", "bsds400"):
        for image in write_random_images(datasets / folder, 3, SIZE):
            random_image(2, SIZE, SIZE).save(image)
    for image in write_random_images(Path("photos/holiday"), 2, SIZE):
        random_image(3, SIZE, SIZE).save(image)
    for seed, folder in enumerate(("horses", "zebras", "more/horses", "more/zebras", "sketches", "drawings")):
        write_random_images(Path(folder), 3, SIZE, 100 + seed)
    for folder, side in (("small", SIZE // 2), ("large", SIZE)):
        for image in write_random_images(Path(folder), 3):
            random_image(5, side, side).save(image)
    for seed, end in enumerate(("in", "out")):
        for image in write_random_images(Path("datasets/joined"), 3, SIZE, 200 + seed):
            image.rename(image.with_stem(f"{image.stem}_{end}"))
    for name in ("photo.jpg", "noisy.jpg", "compressed.jpg", "small.jpg", "thumbnail.jpg", "scan.jpg"):
        random_image(4, SIZE, SIZE).save(name)
    for folder, low, dtype in (("xrays", 0, np.uint16), ("datasets/mri2ct/trainA", 0, np.uint16),
                               ("datasets/mri2ct/trainB", -1000, np.int16)):  # fmt: skip
        Path(folder).mkdir(parents=True)
        for seed in range(3):
            values = np.random.default_rng(seed).integers(low, low + 4000, (SIZE, SIZE)).astype(dtype)
            tifffile.imwrite(Path(folder) / f"{seed}.tif", values)
    exec(next(python_blocks(TEXTS["channel-examples"])), {})
    Path("mine.json").write_text(text(transform("RandomRotate90", p=0.5)))  # as the Python example makes it
    Path("rain.json").write_text(text(transform("RandomRain", p=0.5), transform("ISONoise", p=1)))
    mask = Image.new("L", (SIZE, SIZE))
    mask.paste(255, (4, 4, 20, 12))
    mask.save("mask.png")
    write_video(Path("video.mp4"), count=3)
    for seed, end in enumerate("AB"):
        network = randomise(ReferenceResnet(ngf=2, blocks=1), seed)
        torch.save(network.state_dict(), f"latest_net_G_{end}.pth")
    write_restoration_model("ESRGAN", "4x.safetensors")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data, models and results that the documents name."""
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("I2I_DATASETS", raising=False)
        patch.delenv("I2I_CHECKPOINTS", raising=False)
        make_data()
        for line in TRAININGS:
            assert run(*tiny(["train", *line.split()])) == 0, line
        for copy, run_name in COPIES.items():
            shutil.copytree(f"checkpoints/{run_name}", f"checkpoints/{copy}")
        for line in RESULTS:
            assert run(*tiny(line.split())) == 0, line
    return folder


@pytest.fixture
def prepared(
    template: Path, work_dir: Path, perceptual_weights: Path, shared_decoders: None, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A copy of the template as the working directory, with stand-ins for the metric networks."""
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "true")
    monkeypatch.delenv("I2I_DATASETS", raising=False)
    monkeypatch.setattr(inception, "load_inception", ChannelStatistics)
    shutil.copytree(template, work_dir, copy_function=link_image, dirs_exist_ok=True)
    return work_dir


def link_image(source: str, target: str) -> None:
    """Copy a file; an image, which no command changes, as a hard link."""
    if source.endswith((".png", ".jpg", ".tif")):
        os.link(source, target)
    else:
        shutil.copyfile(source, target)


def with_new_results(words: list[str]) -> list[str]:
    """Return the command with a new name for its run. Remove what it writes if the template has it."""
    for flag, target in pairwise(words):
        if flag in ("--out", "--out-dir", "--shards"):
            shutil.rmtree(target, ignore_errors=True)
        if flag == "--save-config":
            Path(target).unlink()
    starts_a_run = words[0] == "train" and not {"--resume", "--help", "--help-all", "--save-config"} & {*words}
    return [*words, "--name", "new-run"] if starts_a_run or words[:2] == ["models", "import"] else words


@pytest.mark.parametrize("words", [pytest.param(words, id=line) for line, words in COMMANDS.items()])
def test_a_command_is_parsed(words: list[str]) -> None:
    assert unknown_flags(words) == []
    parse(words)


@pytest.mark.parametrize(
    "words",
    [pytest.param(words, id=line) for line, words in COMMANDS.items() if is_run(line)],
)
def test_a_command_runs(words: list[str], prepared: Path, capfd: pytest.CaptureFixture[str]) -> None:
    allowed = {0, 1} if {"--fail-under", "--fail-over"} & {*words} else {0}
    assert run(*tiny(with_new_results(words))) in allowed, capfd.readouterr().err


@pytest.mark.parametrize("code", EXAMPLES)
def test_a_python_example_runs(code: str, prepared: Path) -> None:
    exec(compile(code, "example", "exec"), {})


FOREIGN_FLAGS = {"--extra", "--logdir", "--max-restarts", "--nnodes", "--rdzv-endpoint"}  # of other programs


@pytest.mark.parametrize("page", TEXTS)
def test_a_flag_in_the_prose_exists(page: str) -> None:
    known = all_flags() | FOREIGN_FLAGS | {"--debug"}
    if page == "migration":
        known |= {name for option in REFERENCE_OPTIONS for name in option.names}
    if page == "measurements":
        known |= {flag for path in (ROOT / "tests/benchmarks").glob("*.py") for flag in benchmark_flags(path.stem)}
    for span in code_spans(TEXTS[page]):
        if "gcgan" in span:  # the method of the example, which does not exist
            continue
        if span.startswith("i2i "):
            find_command([word for word in span.split()[1:] if word.isascii()])
        assert [flag for flag in re.findall(r"(?<!\S)--[a-z][\w-]*", span) if flag not in known] == [], span


def test_the_flags_of_the_benchmark_scripts_exist() -> None:
    lines = [line for text in TEXTS.values() for line in benchmark_commands(text)]
    assert lines
    assert [(script, flags) for script, flags in lines if not {*flags} <= benchmark_flags(script)] == []


def test_commands_are_found_with_their_continuations_and_without_comments() -> None:
    text = """# Title

Text with `i2i demo`.

    pip install uv && uv run i2i train cyclegan --data stripes \\
        --recipe tiny          # a comment
    pip install uv && uv run pytest
    uv run i2i convert a 'b c' --out d

- item

      i2i models list

i2i in prose is no command.

```
i2i docs
```
"""
    assert sorted(map(tuple, commands(text))) == [
        ("convert", "a", "b c", "--out", "d"),
        ("docs",),
        ("models", "list"),
        ("train", "cyclegan", "--data", "stripes", "--recipe", "tiny"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "convert stripes-cyclegan photos/ --out out/ --foramt jpg",
        "train cyclegan --data stripes --recpie tiny",
        "demo --max-size 20",
        "sample shapes-gan --separate images/",
    ],
)
def test_a_misspelt_or_old_flag_is_found(line: str) -> None:
    assert len(unknown_flags(line.split())) == 1
    with pytest.raises(Exception, match=r"[Nn]o such option"):
        parse(line.split())


@pytest.mark.parametrize("line", ["convret a b --out c", "data get horse2zebra", "train cyclgan --data stripes"])
def test_a_misspelt_or_old_command_is_found(line: str) -> None:
    with pytest.raises(ValueError, match="there is no command"):
        parse(line.split())


def test_a_wrong_value_is_found() -> None:
    with pytest.raises(Exception, match="bmp"):
        parse(["convert", "a", "b", "--out", "c", "--format", "bmp"])


def test_python_blocks_are_found_except_those_marked_as_not_run() -> None:
    text = "```python\na = 1\n```\n\n<!-- not run: needs a server -->\n```python\nb = 1\n```\n"
    assert list(python_blocks(text)) == ["a = 1\n"]


def test_every_page_has_commands() -> None:
    assert all(any(commands(text)) or page in NO_COMMANDS for page, text in TEXTS.items())
