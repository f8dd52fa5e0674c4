"""Recognition of model files of other programs by their first bytes. Nothing is unpickled or run."""

import zipfile
from pathlib import Path

_HEAD_BYTES = 64
_MAGIC = (
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, such as Keras writes"),
    (b"GGUF", "a GGUF model"),
    (b"ggml", "a GGML model"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"version https://git-lfs", "a Git LFS pointer: the file itself was not downloaded"),
    (b"\x89PNG", "an image (PNG)"),
    (b"\xff\xd8\xff", "an image (JPEG)"),
    (b"GIF8", "an image (GIF)"),
    (b"<", "a web page or another text, not a model: the download may have failed"),
)
_SUFFIXES = {
    ".onnx": "an ONNX model", ".pb": "a TensorFlow graph", ".tflite": "a TensorFlow Lite model",
    ".mlmodel": "a Core ML model", ".engine": "a TensorRT engine", ".caffemodel": "a Caffe model",
}  # fmt: skip
_PYTORCH = "a PyTorch checkpoint"


def describe_foreign(path: Path) -> str:
    """Return what a file is that is not a safetensors file, such as "a PyTorch checkpoint"; "" if it is unknown.

    Args:
        path: an existing file.

    Raises: OSError if it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(b"PK\3\4"):
        return _describe_zip(path)
    if head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        return f"{_PYTORCH} or another Python pickle"
    if head[4:8] == b"TFL3":
        return _SUFFIXES[".tflite"]
    known = next((name for magic, name in _MAGIC if head.startswith(magic)), "")
    return known or _SUFFIXES.get(path.suffix.lower(), "")


def _describe_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name.rpartition("/")[2] for name in archive.namelist()]
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError, NotImplementedError):
        return f"{_PYTORCH} or another zip archive, cut off or damaged"
    if "constants.pkl" in names:
        return "a TorchScript model"
    if "data.pkl" in names:
        return _PYTORCH
    return "a NumPy archive" if any(name.endswith(".npy") for name in names) else "a zip archive"
