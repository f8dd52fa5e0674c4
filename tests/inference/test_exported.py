"""Files of other runtimes as models: the same results, foreign files, and hostile ones."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

import i2i
from i2i.engines.formats import EXPORT_KEY, MODEL_KEY
from i2i.engines.pt2_format import read_pt2
from i2i.errors import ModelFileError, UsageError
from i2i.inference.streaming import stream_rows
from tests.conftest import random_image

pytestmark = pytest.mark.slow


def levels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("format", ["onnx", "openvino", "pt2"])
def test_an_exported_file_translates_as_its_model(
    format: str,
    exportable_model: Path,
    exported: Callable[[str], Path],
) -> None:
    photos = [random_image(1, 45, 31), random_image(2, 16, 16), random_image(3, 45, 31)]
    results = i2i.load(exported(format), precision="float32")(photos)
    expected = i2i.load(exportable_model, precision="float32")(photos)
    assert all(np.abs(levels(one) - levels(other)).max() <= 1 for one, other in zip(results, expected, strict=True))


def test_a_pt2_file_is_streamed_by_rows_as_its_model(exported: Callable[[str], Path]) -> None:
    network = i2i.load(exported("pt2"), device="cpu").network
    image = np.random.default_rng(0).random((1, 3, 64, 32)).astype(np.float32)
    import torch

    pixels = torch.from_numpy(image)
    streamed = network(stream_rows(64, 32, lambda top, bottom: pixels[:, :, top:bottom]))  # type: ignore[arg-type]
    result = torch.cat([strip for _, strip in streamed.strips()], 2)
    torch.testing.assert_close(result, network(pixels), atol=1e-4, rtol=0)


def test_a_file_of_an_engine_runs_in_no_other(exported: Callable[[str], Path]) -> None:
    with pytest.raises(UsageError, match="computed by torch: omit --engine onnxruntime"):
        i2i.load(exported("pt2"), engine="onnxruntime")


def test_a_foreign_onnx_file_needs_its_range_and_is_tiled_by_its_reach(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from tests.engines.onnx_files import sharpen

    path = sharpen(tmp_path / "sharpen.onnx", scale=2)
    with pytest.raises(UsageError, match=r"which values its network takes .* give --network-range 0 1"):
        i2i.load(path)
    translate = i2i.load(path, network_range=(0, 1))
    assert (translate.scale, translate.preprocessor.size_multiple) == (2, 1)
    assert translate.preprocessor.receptive_radius is not None
    assert 1 <= translate.preprocessor.receptive_radius <= 3
    photo = random_image(5, 40, 30)
    mean = photo.filter(ImageFilter.BoxBlur(1))
    expected = np.clip(2 * levels(photo) - levels(mean), 0, 255)[2:-2, 2:-2]
    result = levels(translate(photo))[::2, ::2][2:-2, 2:-2]
    assert np.abs(result - expected).max() <= 1
    whole = levels(translate(photo))
    translate.runner.limits.max_image_pixels = 1500  # tiles
    assert np.abs(levels(translate(photo)) - whole).max() <= 1


def test_hostile_onnx_files_are_named_and_run_nothing(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from tests.engines.onnx_files import hostile_files

    for name, (path, message) in hostile_files(tmp_path / "hostile").items():
        with pytest.raises(ModelFileError, match=message) as error:
            i2i.load(path, network_range=(0, 1))
        assert path.name in str(error.value), name


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.target,)


def rewritten(source: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """Copy a zip archive, and change or leave out entries."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(name, data)
    return target


def test_hostile_pt2_files_are_named_and_run_nothing(tmp_path: Path, exported: Callable[[str], Path]) -> None:
    good, mark = exported("pt2"), tmp_path / "executed"

    def config(change: Callable[[dict[str, dict[str, object]]], object]) -> Callable[[str, bytes], bytes]:
        def apply(name: str, data: bytes) -> bytes:
            if not name.endswith("weights_config.json"):
                return data
            table = json.loads(data)
            change(table["config"])
            return json.dumps(table).encode()

        return apply

    def first(table: dict[str, dict[str, object]]) -> dict[str, object]:
        return next(iter(table.values()))

    def metadata(name: str, data: bytes) -> bytes:
        if not name.endswith("i2i.json"):
            return data
        texts = json.loads(data)
        info = json.loads(texts[MODEL_KEY])
        info["generator"]["ngf"] = 1024
        return json.dumps({**texts, MODEL_KEY: json.dumps(info)}).encode()

    def copy(name: str, change: Callable[[str, bytes], bytes | None]) -> Path:
        return rewritten(good, tmp_path / f"{name}.pt2", change)

    poison = pickle.dumps(Evil(mark))
    files = {
        "was not written by i2i": copy("foreign", lambda name, data: None if "i2i" in name else data),
        "is pickled": copy("pickled", config(lambda table: first(table).update(use_pickle=True))),
        "expected": copy("short", lambda name, data: data[:4] if "weight_0" in name else data),
        "do not fit the network": copy("large", metadata),
        "no readable pt2 archive": tmp_path / "cut.pt2",
    }  # fmt: skip
    files["no readable pt2 archive"].write_bytes(good.read_bytes()[:2000])
    for message, path in files.items():
        with pytest.raises(ModelFileError, match=message) as error:
            i2i.load(path)
        assert path.name in str(error.value)
    evil = copy("evil", lambda name, data: poison if name.endswith((".pt", "model.json")) else data)
    i2i.load(evil)(random_image(1))  # its program and its pickles are not read
    assert not mark.exists()


def test_a_pt2_file_is_one_of_torch(exported: Callable[[str], Path]) -> None:
    texts, weights = read_pt2(exported("pt2"))
    assert {MODEL_KEY, EXPORT_KEY} <= texts.keys()
    assert weights
    with zipfile.ZipFile(io.BytesIO(exported("pt2").read_bytes())) as archive:
        pickles = [name for name in archive.namelist() if name.endswith(".pt")]
        assert all(archive.getinfo(name).file_size < 2000 for name in pickles)  # no example inputs


def test_hostile_openvino_files_are_named(tmp_path: Path, exported: Callable[[str], Path]) -> None:
    good = exported("openvino")
    text, weights = good.read_text(), good.with_suffix(".bin").read_bytes()
    files = {
        "there is no such file": ("alone", text, None),
        "does not begin with <net": ("page", "<html></html>", weights),
        "XML entities": ("entities", '<!DOCTYPE net [<!ENTITY a "b">]>' + text, weights),
        "cannot open it|ended by": ("cut", text[: len(text) // 2], weights),
        "cannot open it|ended by|cannot be": ("short", text, weights[:10]),
    }
    for message, (name, xml, binary) in files.items():
        path = tmp_path / f"{name}.xml"
        path.write_text(xml)
        if binary is not None:
            path.with_suffix(".bin").write_bytes(binary)
        with pytest.raises(ModelFileError, match=message) as error:
            i2i.load(path)
        assert path.name in str(error.value)


def test_a_program_for_executorch_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "model.pte").write_bytes(b"\0" * 64)
    with pytest.raises(ModelFileError, match="is for ExecuTorch"):
        i2i.load(tmp_path / "model.pte")
