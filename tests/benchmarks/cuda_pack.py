"""Put everything that ``cuda_session`` needs on a machine without a network into one folder of limited size.

python -m tests.benchmarks.cuda_pack .gpu --images horse2zebra.tar --data photos=datasets/photos \\
    --weights lpips-alexnet-v0.1.safetensors --half-weights -- \\
    --minutes 9.5 --data horse2zebra --train "zebra=cut --recipe fast --data horse2zebra"

The words after ``--`` are the arguments of ``cuda_session``. They are checked here, where a mistake costs nothing. On
the machine, one command does everything:

    bash .gpu/run.sh results

``--images`` is a tar file whose one top folder is a dataset, with its images as WebP to save space. ``--data`` packs a
folder. The session finds both by their names; as paths they are ``data/NAME``.
"""

import argparse
import gzip
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from tests.benchmarks import cuda_session
from tests.benchmarks.cuda_trainings import TrainingSpec

ROOT = Path(__file__).parents[2]
MAX_BYTES = 64 * 2**20
MODELS = ("denoise", "superres2")  # shipped models that the checks use
PYTHON_VERSION = "3.12"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
RUN_SCRIPT = """\
#!/usr/bin/env bash
# Check and measure i2i, and train: bash run.sh [RESULTS]; without RESULTS, in the folder $OUT, else in results
started=$(date +%s)
folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-${OUT:-results}}
mkdir -p "$out" && out=$(cd "$out" && pwd)
work=${WORK:-$(mktemp -d)}
mkdir -p "$work/data" "$work/site" && cd "$work" || exit 1
for archive in "$folder"/tree/*.tar.gz; do tar -xzf "$archive"; done
for archive in "$folder"/data/*.tar.gz; do [ -e "$archive" ] && tar -xzf "$archive" -C data; done
for wheel in "$folder"/wheels/*.whl; do [ -e "$wheel" ] && python3 -m zipfile -e "$wheel" site; done
export PYTHONPATH="$work:$work/site${PYTHONPATH:+:$PYTHONPATH}"
export I2I_WEIGHTS="$folder/weights" I2I_DATASETS="$work/data"
exec python3 -m tests.benchmarks.cuda_session SESSION --work "$work/session" --out "$out" --started "$started"
"""


def download_wheels(names: Sequence[str], folder: Path) -> None:
    """Download packages for PYTHON_VERSION on Linux, without what they need, in the versions installed here."""
    platforms = [word for platform in PLATFORMS for word in ("--platform", platform)]
    pip = [sys.executable, "-m", "pip"] if find_spec("pip") else ["pip"]  # an environment made by uv has no pip
    subprocess.run(
        [*pip, "download", "-q", "--no-deps", "--only-binary=:all:",
         "--python-version", PYTHON_VERSION, "--implementation", "cp", *platforms, "-d", str(folder),
         *(f"{name}=={version(name)}" for name in names)],
        check=True,
    )  # fmt: skip


def archive_tree(folder: Path, revision: str, models: Sequence[str]) -> None:
    """Write the committed files of a revision to tar files. Of ``checkpoints/`` only the weights of ``models``."""
    parts = {
        "tree.tar.gz": [".", ":(exclude)checkpoints"],
        "models.tar.gz": [f"checkpoints/{name}/weights.safetensors" for name in models],
    }
    folder.mkdir(parents=True)
    for name, paths in parts.items():
        command = ["git", "archive", "--format=tar.gz", "-9", "-o", str(folder / name), revision, "--", *paths]
        subprocess.run(command, cwd=ROOT, check=True)


def archive_folder(source: Path, name: str, target: Path) -> None:
    """Write the files below ``source`` to a tar file, below the folder ``name``. Symbolic links are followed."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target, "w:gz", dereference=True) as archive:
        archive.add(source, name)


def compress(source: Path, target: Path) -> None:
    """Compress a tar file: of small files, a tenth of it is padding."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as file, gzip.open(target, "wb") as compressed:
        shutil.copyfileobj(file, compressed)


def store_weights(source: Path, target: Path, half: bool) -> None:
    """Copy a file of weights; with ``half``, in float16."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not half:
        shutil.copyfile(source, target)
        return
    from safetensors.torch import load_file, save_file

    save_file({name: tensor.half() for name, tensor in load_file(source).items()}, target)


def check_training(spec: TrainingSpec) -> None:
    """Exit if `i2i train` does not accept the arguments. The dataset is not looked for."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "i2i", "train", *spec.words, "--save-config", f"{folder}/config.json"]
        environment = {**os.environ, "I2I_DATASETS": "", "PYTHONPATH": str(ROOT)}
        result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        sys.exit(f"{spec.name}: {result.stderr}{result.stdout}")


def write_run_script(folder: Path, session: Sequence[str]) -> Path:
    """Write ``run.sh``, which unpacks the folder and runs ``cuda_session`` with these arguments."""
    path = folder / "run.sh"
    path.write_text(RUN_SCRIPT.replace("SESSION", shlex.join(session)))
    return path


def check_size(folder: Path, other_bytes: int = 0) -> int:
    """Return the bytes of all files below ``folder``. Exits if they, with ``other_bytes``, exceed MAX_BYTES."""
    sizes = {path: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    total = sum(sizes.values()) + other_bytes
    lines = [f"{size / 2**20:7.2f} MiB  {path.relative_to(folder)}" for path, size in sorted(sizes.items())]
    print("\n".join([*lines, f"{total / 2**20:7.2f} MiB in all; the limit is {MAX_BYTES / 2**20:.0f} MiB"]))
    if total > MAX_BYTES:
        sys.exit("This does not fit. Use smaller images, or leave parts out.")
    return total


def _named_folder(text: str) -> tuple[str, Path]:
    name, _, folder = text.partition("=")
    if not name or "/" in name or not Path(folder).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=FOLDER with an existing folder")
    return name, Path(folder)


def parse_arguments(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Return the arguments, and those of the session."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="new folder to fill")
    parser.add_argument("--images", type=Path, nargs="*", default=[], help="tar files of datasets")
    parser.add_argument("--data", type=_named_folder, action="append", default=[], metavar="NAME=FOLDER",
                        help="a folder of images to pack; repeatable; symbolic links are followed")  # fmt: skip
    parser.add_argument("--weights", type=Path, nargs="*", default=[], help="files of weights for $I2I_WEIGHTS")
    parser.add_argument("--half-weights", action="store_true", help="store these files in float16")
    parser.add_argument("--wheels", nargs="*", default=[], metavar="PACKAGE",
                        help="packages to take along; kornia and kornia_rs are needed to colorize")  # fmt: skip
    parser.add_argument("--models", nargs="*", default=MODELS, help="shipped models to pack")
    parser.add_argument("--revision", default="HEAD", help="commit whose files are packed")
    parser.add_argument("--other-mib", type=float, default=0, help="size of what travels besides, in MiB")
    end = words.index("--") if "--" in words else len(words)
    args, session = parser.parse_args(words[:end]), list(words[end + 1 :])
    if args.folder.exists():
        parser.error(f"{args.folder} exists already")
    return args, session


def main(words: Sequence[str] | None = None) -> None:
    """Fill the folder."""
    args, session = parse_arguments(sys.argv[1:] if words is None else words)
    for spec in cuda_session.parse_arguments([*session, "--out", "results"]).train:
        check_training(spec)
    folder = args.folder.resolve()
    archive_tree(folder / "tree", args.revision, args.models)
    for path in args.images:
        compress(path, folder / "data" / f"{path.stem}.tar.gz")
    for name, source in args.data:
        archive_folder(source, name, folder / "data" / f"{name}.tar.gz")
    for path in args.weights:
        store_weights(path, folder / "weights" / path.name, args.half_weights)
    if args.wheels:
        download_wheels(args.wheels, folder / "wheels")
    write_run_script(folder, session)
    check_size(folder, round(args.other_mib * 2**20))


if __name__ == "__main__":
    main()
