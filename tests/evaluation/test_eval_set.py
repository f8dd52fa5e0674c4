import os
from pathlib import Path

import numpy as np
import pytest

from i2i.data.layout import detect_layout, list_images
from i2i.data.source import DataSource
from i2i.errors import DatasetError, UsageError
from i2i.evaluation.eval_set import EvalSet, build_eval_set
from i2i.evaluation.protocol import Protocol, build_protocol
from i2i.evaluation.transforms import ResizePolicy
from i2i.images import read
from tests.conftest import write_random_images

NO_RESIZING = ResizePolicy()


def eval_set_of(
    root: Path,
    direction: str = "AtoB",
    *,
    split: str | None = None,
    max_images: int | None = None,
    resize: ResizePolicy = NO_RESIZING,
) -> EvalSet:
    return build_eval_set(detect_layout(root), direction, split=split, max_images=max_images, resize=resize)


def protocol(root: Path, name: str = "two", network: str = "abc", **options: object) -> Protocol:
    return build_protocol(eval_set_of(root, **options), name, "a network", network, "")  # type: ignore[arg-type]


def test_outputs_of_unpaired_data_are_compared_with_all_images_of_the_target_domain(unpaired: Path) -> None:
    forward, backward = eval_set_of(unpaired), eval_set_of(unpaired, "BtoA")
    assert forward.inputs is not None
    assert [forward.inputs.name(i) for i in range(4)] == ["000", "001", "002", "003"]
    assert forward.inputs[1] == read(unpaired / "testA" / "001.png")
    assert forward.real[1] == read(unpaired / "testB" / "001.png")
    assert backward.real[1] == forward.inputs[1]
    assert not forward.paired
    assert forward.held_out is not None
    assert forward.held_out[0] == read(unpaired / "trainB" / "000.png")
    assert (len(forward.held_out), len(eval_set_of(unpaired, "BtoA").held_out or [])) == (
        4,
        4,
    )  # as many as outputs, out of 5 and 4


def test_pairs_are_split_by_direction(paired: Path) -> None:
    joined = read(list_images(paired / "test")[0])
    forward, backward = eval_set_of(paired), eval_set_of(paired, "BtoA")
    assert forward.paired
    assert forward.inputs is not None
    assert forward.inputs[0] == joined.crop((0, 0, 16, 16)) == backward.real[0]
    assert forward.real[0] == joined.crop((16, 0, 32, 16))


def test_the_sample_direction_has_no_inputs(unpaired: Path) -> None:
    eval_set = eval_set_of(unpaired, "sample")
    assert eval_set.inputs is None
    assert eval_set.num_outputs == len(eval_set.real) == 4


def test_max_images_are_spread_evenly(unpaired: Path) -> None:
    eval_set = eval_set_of(unpaired, max_images=2)
    assert eval_set.inputs is not None
    assert [eval_set.inputs.name(i) for i in range(2)] == ["000", "002"]
    assert len(eval_set.real) == 2


def test_a_dataset_without_test_images_is_refused_with_advice(unpaired: Path) -> None:
    for name in ("testA", "testB"):
        (unpaired / name).rename(unpaired.parent / name)
    with pytest.raises(DatasetError, match=r"no test images\. Move some.*--split train"):
        eval_set_of(unpaired)
    eval_set = eval_set_of(unpaired, split="train")
    assert eval_set.held_out is None
    folders = DataSource(pairs=(str(unpaired / "trainA"), str(unpaired / "trainB"))).load()
    with pytest.raises(DatasetError, match=r"^trainA and trainB have no test images\. Name folders .* --split train"):
        build_eval_set(folders, "AtoB", split=None, max_images=None, resize=ResizePolicy(16))


def test_a_missing_split_is_refused_naming_the_existing_ones(unpaired: Path) -> None:
    with pytest.raises(UsageError, match="has no val images; it has train, test"):
        eval_set_of(unpaired, split="val")


def test_a_single_domain_cannot_be_translated(tmp_path: Path) -> None:
    write_random_images(tmp_path / "photos" / "train", 3)
    write_random_images(tmp_path / "photos" / "test", 3)
    with pytest.raises(DatasetError, match=r"photos of one domain .* and AtoB needs two"):
        eval_set_of(tmp_path / "photos")
    assert eval_set_of(tmp_path / "photos", "sample").num_outputs == 3


def test_one_image_is_too_few(unpaired: Path) -> None:
    for path in list_images(unpaired / "testB")[1:]:
        path.unlink()
    with pytest.raises(DatasetError, match=r"at least 2 images of each domain; .* has 1"):
        eval_set_of(unpaired)


def test_the_fingerprint_does_not_depend_on_names_and_folders(unpaired: Path, tmp_path: Path) -> None:
    first = protocol(unpaired).fingerprint()
    unpaired.rename(tmp_path / "elsewhere")
    for path in list_images(tmp_path / "elsewhere" / "testA"):
        path.rename(path.with_stem(f"a{path.stem}"))
    assert protocol(tmp_path / "elsewhere", "another name").fingerprint() == first


def test_the_fingerprint_depends_on_images_size_network_and_count(unpaired: Path) -> None:
    path = unpaired / "testA" / "001.png"
    before = protocol(unpaired)
    status = path.stat()
    variants = [
        protocol(unpaired, network="def"), protocol(unpaired, resize=ResizePolicy(8)), protocol(unpaired, max_images=3),
        protocol(unpaired, direction="BtoA"), protocol(unpaired, split="train"),
    ]  # fmt: skip
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # the same size, and below the same time but for 1 ns
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    variants.append(protocol(unpaired))
    fingerprints = [variant.fingerprint() for variant in (before, *variants)]
    assert len(set(fingerprints)) == len(fingerprints)


def test_the_protocol_is_described_in_a_sentence(unpaired: Path) -> None:
    described = protocol(unpaired)
    assert described.describe() == (
        "two, test split: 4 inputs, 4 real images, as they are; features of a network (abc); "
        f"protocol {described.fingerprint()}"
    )
    assert described.to_json()["fingerprint"] == described.fingerprint()


def test_images_are_scaled_by_the_ranges_of_their_domain(tmp_path: Path) -> None:
    import tifffile

    values = np.full((16, 16), 4095, np.uint16)
    for folder in ("trainA", "trainB", "testA", "testB"):
        (tmp_path / folder).mkdir()
        for number in range(2):
            tifffile.imwrite(tmp_path / folder / f"{number}.tif", values)
    ranges = {"uint16": (0.0, 4095.0)}, {"uint16": (0.0, 8190.0)}
    options = {"split": None, "max_images": None, "resize": ResizePolicy()}
    eval_set = build_eval_set(detect_layout(tmp_path), "AtoB", ranges=ranges, **options)
    plain = build_eval_set(detect_layout(tmp_path), "AtoB", **options)
    assert eval_set.inputs is not None
    assert [eval_set.inputs[0].getpixel((0, 0)), eval_set.real[0].getpixel((0, 0))] == [(255,) * 3, (128,) * 3]
    assert plain.real.content_hash() != eval_set.real.content_hash()
