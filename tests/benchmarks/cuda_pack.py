"""Put everything that ``cuda_session`` needs on a machine without a network into one folder of limited size.

python -m tests.benchmarks.cuda_pack .gpu --images horse2zebra.tar --weights lpips-alexnet-v0.1.safetensors

``--images`` is a tar file whose one top folder is a dataset, with its images as WebP to save space. On the machine, in
the folder:

    python -m pip install -q --no-index --no-deps --target site wheels/*.whl
    tar -xf tree.tar && tar -xf images.tar
    export PYTHONPATH=.:site I2I_WEIGHTS=weights
    python -m tests.benchmarks.cuda_session --out results --minutes 9 --data horse2zebra

A machine that receives the checkout by another way needs no ``tree.tar``: ``--no-tree``.
"""

import argparse
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAX_BYTES = 64 * 2**20
WHEELS = ("kornia", "kornia_rs", "lpips", "torch-fidelity")  # needed by the session, and often missing
PYTHON_VERSION = "3.12"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")


def download_wheels(folder: Path) -> None:
    """Download the WHEELS for PYTHON_VERSION on Linux, in the versions that are installed here."""
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    pip = [sys.executable, "-m", "pip"] if find_spec("pip") else ["pip"]  # an environment made by uv has no pip
    subprocess.run(
        [*pip, "download", "-q", "--no-deps", "--only-binary=:all:",
         "--python-version", PYTHON_VERSION, "--implementation", "cp", *platforms, "-d", str(folder),
         *(f"{name}=={version(name)}" for name in WHEELS)],
        check=True,
    )  # fmt: skip


def archive_tree(path: Path, revision: str) -> None:
    """Write the committed files of a revision to a tar file."""
    subprocess.run(["git", "archive", "--format=tar", "-o", str(path), revision], cwd=ROOT, check=True)


def check_size(folder: Path, other_bytes: int = 0) -> int:
    """Return the bytes of all files below ``folder``. Exits if they, with ``other_bytes``, exceed MAX_BYTES."""
    sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    total = sum(sizes.values()) + other_bytes
    lines = [f"{size / 2**20:7.2f} MiB  {path.relative_to(folder)}" for path, size in sorted(sizes.items())]
    print("\n".join([*lines, f"{total / 2**20:7.2f} MiB in all; the limit is {MAX_BYTES / 2**20:.0f} MiB"]))
    if total > MAX_BYTES:
        sys.exit("This does not fit. Use smaller images, or leave parts out.")
    return total


def main(words: Sequence[str] | None = None) -> None:
    """Fill the folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="new folder to fill")
    parser.add_argument("--images", type=Path, help="tar file of the training images")
    parser.add_argument("--weights", type=Path, nargs="*", default=[], help="files of weights for $I2I_WEIGHTS")
    parser.add_argument("--revision", default="HEAD", help="commit whose files are packed")
    parser.add_argument("--no-tree", action="store_true", help="leave the project's files out")
    parser.add_argument("--no-wheels", action="store_true", help="leave the packages out")
    parser.add_argument("--other-mib", type=float, default=0, help="size of what travels besides, in MiB")
    args = parser.parse_args(words)
    args.folder.mkdir(parents=True)
    if not args.no_tree:
        archive_tree((args.folder / "tree.tar").resolve(), args.revision)
    if args.images:
        shutil.copy(args.images, args.folder / "images.tar")
    for path in args.weights:
        (args.folder / "weights").mkdir(exist_ok=True)
        shutil.copy(path, args.folder / "weights" / path.name)
    if not args.no_wheels:
        download_wheels(args.folder / "wheels")
    check_size(args.folder, round(args.other_mib * 2**20))


if __name__ == "__main__":
    main()
