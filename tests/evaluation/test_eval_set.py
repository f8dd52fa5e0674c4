import os
from pathlib import Path

import pytest
from PIL import Image

from i2i.data.layout import layout, pictures
from i2i.errors import DatasetError, UsageError
from i2i.evaluation.eval_set import Shape, Trial, trial
from i2i.evaluation.protocol import Protocol, protocol_of
from i2i.images import read
from tests.conftest import write_pictures

WHOLE = Shape()


def of(root: Path, direction: str = "AtoB", *, split: str | None = None, count: int | None = None,
       shape: Shape = WHOLE) -> Trial:  # fmt: skip
    return trial(layout(root), direction, split=split, count=count, shape=shape)


def protocol(root: Path, name: str = "two", network: str = "abc", **asked: object) -> Protocol:
    return protocol_of(of(root, **asked), name, "a network", network, "")  # type: ignore[arg-type]


def test_unpaired_pictures_are_held_against_all_of_the_other_kind(unpaired: Path) -> None:
    there, back = of(unpaired), of(unpaired, "BtoA")
    assert there.inputs is not None
    assert [there.inputs.name(i) for i in range(4)] == ["000", "001", "002", "003"]
    assert there.inputs[1] == read(unpaired / "testA" / "001.png")
    assert there.real[1] == read(unpaired / "testB" / "001.png")
    assert back.real[1] == there.inputs[1]
    assert not there.paired
    assert there.others is not None
    assert there.others[0] == read(unpaired / "trainB" / "000.png")
    assert (len(there.others), len(of(unpaired, "BtoA").others or [])) == (4, 4)  # as many as outputs, of 4 and 5


def test_pairs_come_apart_the_way_they_are_asked_for(paired: Path) -> None:
    joined = read(pictures(paired / "test")[0])
    there, back = of(paired), of(paired, "BtoA")
    assert there.paired
    assert there.inputs is not None
    assert there.inputs[0] == joined.crop((0, 0, 16, 16)) == back.real[0]
    assert there.real[0] == joined.crop((16, 0, 32, 16))


def test_pictures_from_noise_have_no_inputs(unpaired: Path) -> None:
    found = of(unpaired, "sample")
    assert found.inputs is None
    assert found.outputs == len(found.real) == 4


def test_at_most_so_many_are_spread_evenly(unpaired: Path) -> None:
    found = of(unpaired, count=2)
    assert found.inputs is not None
    assert [found.inputs.name(i) for i in range(2)] == ["000", "002"]
    assert len(found.real) == 2


@pytest.mark.parametrize(
    ("shape", "size"),
    [(Shape(0), (24, 16)), (Shape(16), (16, 16)), (Shape(16, "cover"), (16, 16)), (Shape(24), (24, 24))],
)
def test_pictures_are_brought_to_size(shape: Shape, size: tuple[int, int]) -> None:
    image = Image.new("RGB", (24, 16), "red")
    assert shape(image).size == size


def test_a_picture_of_the_size_is_not_touched() -> None:
    image = Image.effect_noise((16, 16), 50).convert("RGB")
    assert Shape(16)(image) is image


def test_covering_keeps_the_middle_and_stretching_all() -> None:
    image = Image.new("RGB", (32, 16), "red")
    image.paste("blue", (8, 0, 24, 16))
    assert Shape(16, "cover")(image).getcolors() == [(256, (0, 0, 255))]
    assert len(Shape(16)(image).getcolors() or []) > 1


def test_without_test_pictures_it_says_what_to_do(unpaired: Path) -> None:
    for name in ("testA", "testB"):
        (unpaired / name).rename(unpaired.parent / name)
    with pytest.raises(DatasetError, match=r"no test pictures\. Put some aside.*--split train"):
        of(unpaired)
    found = of(unpaired, split="train")
    assert found.others is None


def test_a_split_that_is_not_there_is_refused_with_those_that_are(unpaired: Path) -> None:
    with pytest.raises(UsageError, match="has no val pictures; it has train, test"):
        of(unpaired, split="val")


def test_photos_of_one_kind_cannot_be_translated(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos" / "train", 3)
    write_pictures(tmp_path / "photos" / "test", 3)
    with pytest.raises(DatasetError, match=r"photos of one kind .* and AtoB needs two"):
        of(tmp_path / "photos")
    assert of(tmp_path / "photos", "sample").outputs == 3


def test_a_single_picture_is_too_few(unpaired: Path) -> None:
    for path in pictures(unpaired / "testB")[1:]:
        path.unlink()
    with pytest.raises(DatasetError, match=r"at least 2 pictures on either side; .* has 1"):
        of(unpaired)


def test_the_fingerprint_is_of_the_pictures_and_not_of_their_names_or_their_place(
    unpaired: Path, tmp_path: Path
) -> None:
    first = protocol(unpaired).fingerprint()
    unpaired.rename(tmp_path / "elsewhere")
    for path in pictures(tmp_path / "elsewhere" / "testA"):
        path.rename(path.with_stem(f"a{path.stem}"))
    assert protocol(tmp_path / "elsewhere", "another name").fingerprint() == first


def test_the_fingerprint_changes_with_a_picture_its_size_the_network_and_the_count(unpaired: Path) -> None:
    path = unpaired / "testA" / "001.png"
    before, about = protocol(unpaired), path.stat()
    variants = [
        protocol(unpaired, network="def"), protocol(unpaired, shape=Shape(8)), protocol(unpaired, count=3),
        protocol(unpaired, direction="BtoA"), protocol(unpaired, split="train"),
    ]  # fmt: skip
    data = bytearray(path.read_bytes())
    data[-1] ^= 1  # as long as before, and as old
    path.write_bytes(data)
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    variants.append(protocol(unpaired))
    prints = [variant.fingerprint() for variant in (before, *variants)]
    assert len(set(prints)) == len(prints)


def test_the_protocol_is_told_with_the_number(unpaired: Path) -> None:
    told = protocol(unpaired)
    assert told.text() == (
        "two, test split: 4 inputs against 4 real pictures, as they are; features of a network (abc); "
        f"protocol {told.fingerprint()}"
    )
    assert told.to_json()["fingerprint"] == told.fingerprint()
