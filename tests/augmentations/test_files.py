import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import i2i
from i2i.augmentations import NAMES, load_pipeline, pipeline_title
from i2i.augmentations.files import MAX_BYTES, saved_pipeline
from i2i.augmentations.library import COMPOSITIONS, albumentations, known_transforms
from i2i.augmentations.named import NAMED_PIPELINES
from i2i.errors import ConfigError
from tests.augmentations.pipelines import ARGUMENTS, compose, text, transform

FLIP = transform("HorizontalFlip", p=0.5)


def write(content: Any, name: str = "mine.json") -> str:
    Path(name).write_text(content if isinstance(content, str) else json.dumps(content))
    return name


@pytest.mark.parametrize("name", ["mine.json", "mine.yaml", "mine.yml", "mine"])
def test_the_content_of_a_file_is_kept_and_not_its_path(name: str) -> None:
    A = albumentations()
    pipeline = A.Compose([A.Affine(rotate=(-5, 5)), A.OneOf([A.Blur(), A.CLAHE()])], additional_targets={"t": "image"})
    pipeline = A.Compose(pipeline.transforms, additional_targets={"target": "image"})
    A.save(pipeline, name, data_format="yaml" if ".y" in name else "json")
    kept = load_pipeline(name)
    Path(name).unlink()
    assert load_pipeline(kept) == kept
    assert saved_pipeline(kept) == json.loads(json.dumps(A.to_dict(pipeline)))
    assert pipeline_title(kept) == "Compose(Affine, OneOf(Blur, CLAHE))"


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_kept_as_it_is(name: str) -> None:
    assert load_pipeline(name) == pipeline_title(name) == name


@pytest.mark.parametrize("name", NAMED_PIPELINES)
def test_a_named_pipeline_is_one_that_files_may_have(name: str) -> None:
    load_pipeline(json.dumps(NAMED_PIPELINES[name]))


@pytest.mark.filterwarnings("ignore:This augmenter is very slow", "ignore:ShiftScaleRotate is a special case")
def test_every_usable_transform_can_be_written_and_read_again() -> None:
    for name, cls in known_transforms().items():
        if name not in COMPOSITIONS:
            table = albumentations().to_dict(cls(**ARGUMENTS.get(name, {})))
            load_pipeline(write(json.dumps(table), f"{name}.json"))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("geometrik", "'geometrik' .*one of none, flip, geometric, photo, strong, or a file.* Did you mean geometric?"),
        ("no/such.json", "does not exist"),
        (".", "is no file"),
        ("{", "is no JSON"),
        ('{"transform": NaN}', "holds nan"),
        ('{"transforms": []}', "must be a table with the key transform"),
        (text(), r"transforms of Compose is \[\]"),
        (text(transform("HorizontalFlop")), "no transform 'HorizontalFlop'.*Did you mean HorizontalFlip"),
        (text(transform("Cutout")), "Use CoarseDropout instead"),
        (text(transform("GaussNoise", std_rang=[0, 1])), "no argument 'std_rang'. Did you mean std_range?"),
        (text(transform("GaussNoise", var_limit=[10, 50])), "no argument 'var_limit'. It has std_range"),
        (text(transform("HorizontalFlip", always_apply=True)), "'always_apply'. Leave it out, and give p = 1"),
        (text(transform("HorizontalFlip", p=2)), "p is 2: Input should be less than or equal to 1"),
        (text(transform("Affine", rotate="much")), "Affine cannot be made: rotate is 'much'"),
        (text(transform("RandomRotate90", p="x")), "RandomRotate90 cannot be made"),
        (text(transform("OneOf", transforms=[FLIP], p=-1)), "p of OneOf is -1"),
        (text(transform("OneOf", transforms=[{**FLIP, "p": 0}])), "OneOf cannot be made"),
        (text(transform("SomeOf", transforms=[FLIP], n=0)), "n of SomeOf is 0"),
        (text(transform("Normalize")), "Normalize cannot be used, because it changes the type or the range"),
        (text(transform("ToTensorV2")), "which i2i does itself"),
        (text(transform("Mosaic")), "needs further images"),
        (text(transform("MaskDropout")), "needs masks"),
        (text(transform("BBoxSafeRandomCrop")), "needs bounding boxes"),
        (text(transform("CenterCrop3D", size=[1, 2, 3])), "no transform 'CenterCrop3D' for images"),
        (text(FLIP, bbox_params={"format": "coco"}), "without masks, bounding boxes and keypoints"),
        (text(FLIP, keypoint_params={"format": "xy"}), "without masks, bounding boxes and keypoints"),
        (text(FLIP, seed=3), "follow from --seed"),
        (text(FLIP, additional_targets={"target": "mask"}), "additional_targets is"),
        (text(FLIP, additional_targets={"image2": "image"}), "additional_targets is"),
        (json.dumps({"both": compose(FLIP, additional_targets={"t": "mask"})}), "additional_targets is"),
        (json.dumps({"both": compose(FLIP), "targets": compose(FLIP)}), "both, source, target"),
        (json.dumps({"source": {"transforms": []}}), "must be a table with the key transform"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_pipeline_is_said_in_words(value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_pipeline(value)


class Trap:
    """An object whose construction from a file would be noticed."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        Path("sprung").touch()


HOSTILE = {
    "another-module.json": text(transform("tests.augmentations.test_files.Trap", p=1)),
    "a-function.json": text(transform("os.system", command="touch sprung")),
    "a-lambda.json": text(transform("Lambda", image="__import__('os').mknod('sprung')", p=1)),
    "hidden-in-a-package.json": text(transform("albumentations.core.hub_mixin.HubMixin")),
    "an-attribute.json": text(transform("albumentations.__builtins__.exec")),
    "reads-a-file.json": text(transform("TextImage", font_path="/etc/passwd")),
    "a-callable.json": text(transform("FDA", reference_images=["/etc/passwd"], read_fn="open")),
    "a-tag.yaml": "transform: !!python/object/apply:os.mknod [sprung]",
    "another-tag.yaml": "transform: !!python/object:tests.augmentations.test_files.Trap {}",
    "bomb.yaml": "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\n"
    "d: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ntransform: [*d,*d,*d,*d,*d,*d,*d]",
    "endless.yaml": "transform: &a [*a]",
    "deep.json": '{"transform":' + "[" * 90000,
    "nested.json": '{"transform":' * 40 + "1" + "}" * 40,
    "digits.json": '{"transform": 1' + "0" * 5000 + "}",
    "large.json": '{"transform": "' + "x" * MAX_BYTES + '"}',
    "surrogate.json": text(transform("\\ud800")),
    "bytes.json": "\0\1\2",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_and_runs_nothing(name: str) -> None:
    with pytest.raises(ConfigError):
        load_pipeline(write(HOSTILE[name], name))
    assert not Path("sprung").exists()


def test_a_pipe_is_not_read() -> None:
    os.mkfifo("pipe.json")
    with pytest.raises(ConfigError, match="is no file"):
        load_pipeline("pipe.json")


def test_settings_of_a_file_read_no_other_file(tmp_path: Path) -> None:
    from i2i.config import from_json
    from i2i.data.config import PairedConfig

    config = from_json(PairedConfig, {"augmentations": write(compose(FLIP))})
    with pytest.raises(ConfigError, match="is no JSON"):
        saved_pipeline(config.augmentations)


def test_only_a_function_imports_albumentations() -> None:
    sources = {path: path.read_text() for path in Path(i2i.__file__).parent.rglob("*.py")}
    imports = [line for text in sources.values() for line in text.splitlines() if "import albumentations" in line]
    assert [line for line in imports if not line.startswith("from i2i.")] == ["    import albumentations"]


def test_importing_albumentations_looks_nothing_up_on_the_network() -> None:
    code = """
import sys, urllib.request
sys.modules["torch"] = None  # saves the time of its import
urllib.request.urlopen = lambda *arguments, **named: sys.exit("a look-up on the network")
from i2i.augmentations import load_pipeline
assert "albumentations" not in sys.modules
load_pipeline(sys.argv[1])
assert "albumentations" in sys.modules
"""
    environment = {name: value for name, value in os.environ.items() if name != "NO_ALBUMENTATIONS_UPDATE"}
    subprocess.run([sys.executable, "-c", code, text(FLIP)], check=True, env=environment)
