"""Check and measure i2i on a CUDA machine that is available for a few minutes, then train for the rest of the time.

python -m tests.benchmarks.cuda_session --out results --minutes 9 --data datasets/horse2zebra
python -m tests.benchmarks.cuda_session --out results --minutes 3 --device cpu --size 64 --rehearse

Each stage is a process of its own with a time limit: a stage that fails, hangs or breaks the CUDA context does not
affect the next one. Results are written as they arrive: ``results.jsonl`` and ``session.log``. ``details.tar`` holds
the samples and the log of the training. The trained model file is split into pieces; ``join_pieces`` joins them.
"""

import argparse
import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from i2i.checkpoints.model_file import load_model_file, save_model_file, to_half

PIECE_BYTES = 15_500_000
MAX_PIECES = 4  # a larger model file is stored in float16
TRAINING_MARGIN = 25  # seconds: start of the process, last samples, last save


class Stage(NamedTuple):
    """One process of the session."""

    name: str
    command: list[str]  # after the name of the Python interpreter
    seconds: float  # time limit


class Recorder:
    """Writes results as JSON lines, and all other output as text; both are flushed at once."""

    def __init__(self, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.results: IO[str] = (out / "results.jsonl").open("a")
        self.log: IO[str] = (out / "session.log").open("a")

    def result(self, stage: str, values: dict[str, Any]) -> None:
        print(json.dumps({"stage": stage, **values}), file=self.results, flush=True)

    def text(self, line: str) -> None:
        print(line.rstrip("\n"), file=self.log, flush=True)


def run_stage(stage: Stage, limit: float, recorder: Recorder) -> None:
    """Run a stage for at most ``limit`` seconds. Each JSON object that it prints becomes a result."""
    start = time.monotonic()
    if limit < 5:
        recorder.result(stage.name, {"skipped": "no time left"})
        return
    recorder.text(f"== {stage.name}, at most {limit:.0f} s: {shlex.join(stage.command)}")
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, *stage.command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=recorder.log,
        text=True, start_new_session=True, env=environment,
    )  # fmt: skip
    timed_out = threading.Event()

    def stop() -> None:
        timed_out.set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = threading.Timer(limit, stop)
    timer.start()
    other_lines: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        values = _parse(line)
        if values is None:
            other_lines.append(line)
            recorder.text(line)
        else:
            recorder.result(stage.name, values)
    code = process.wait()
    timer.cancel()
    whole = _parse("".join(other_lines[_first_brace(other_lines) :]))
    if whole is not None:
        recorder.result(stage.name, whole)
    status = "timeout" if timed_out.is_set() else code
    recorder.result(stage.name, {"exit": status, "seconds": round(time.monotonic() - start, 1)})


def _parse(text: str) -> dict[str, Any] | None:
    """Return the JSON object of a text; None if it is no JSON object."""
    try:
        values = json.loads(text)
    except ValueError:
        return None
    return values if isinstance(values, dict) else None


def _first_brace(lines: Sequence[str]) -> int:
    return next((index for index, line in enumerate(lines) if line.startswith("{")), len(lines))


def stages(args: argparse.Namespace) -> list[Stage]:
    """Return the stages before the training, the most valuable first."""
    device = ["--device", args.device]
    size = ["--size", str(args.size)]
    check = ["-m", "tests.benchmarks.cuda_checks"]
    quick = ["--rehearse"] if args.rehearse else []
    small = args.rehearse
    steps = ["--rounds", "1", "--ngf", "8"] if small else ["--rounds", "9"]
    images = ["--images", "4", "--photos", "0", "--rounds", "1", "--ngf", "4", "--only", "plain", "auto"]
    if not small:
        images = ["--images", "200", "--photos", "4", "--rounds", "2", "--only", "plain", "float32", "auto"]
    result = [
        Stage("environment", [*check, "environment", *device], 40),
        Stage("graphs", [*check, "graphs", *device, *size, *quick], 110),
        Stage("compiled", [*check, "compiled", *device, *size, *quick], 90),
        Stage("resume", [*check, "resume", *device, *quick], 60),
        Stage("convert", [*check, "convert", *device, *quick], 60),
        Stage("memory", [*check, "memory", *device, *quick], 50),
        Stage("steps", ["-m", "tests.benchmarks.steps", "cyclegan", *size, *steps, *device], 120),
        Stage("conversion", ["-m", "tests.benchmarks.conversion", "--random", *images, *device], 60),
    ]
    if args.data:
        loading = [
            "--data",
            str(args.data),
            *size,
            *(["--images", "8", "--rounds", "1"] if small else ["--rounds", "5"]),
        ]
        result.insert(-1, Stage("loading", ["-m", "tests.benchmarks.loading", *loading], 40))
    # Compiling for a CPU takes minutes.
    names = args.only or [stage.name for stage in result if not (small and stage.name == "compiled")]
    return [stage for stage in result if stage.name in names]


def train(args: argparse.Namespace, seconds: float, recorder: Recorder) -> None:
    """Train for ``seconds``, and put the model file, the samples and the log into the folder of the results."""
    run = f"cuda-session-{time.time():.0f}"  # a second session on the machine makes another run
    hours = max(1.0, seconds - TRAINING_MARGIN) / 3600
    command = [
        "-m", "i2i", "train", args.method, "--recipe", args.recipe, "--data", str(args.data), "--size", str(args.size),
        "--max-hours", f"{hours:.6f}", "--name", run, "--device", args.device, "--compile", "off",
        "--sample-every", "50" if args.rehearse else "2000", *shlex.split(args.train_flags),
    ]  # fmt: skip
    run_stage(Stage("training", command, seconds), seconds, recorder)
    store_run(Path(os.environ.get("I2I_CHECKPOINTS") or "checkpoints") / run, args.out, recorder)


def store_run(run: Path, out: Path, recorder: Recorder) -> None:
    """Store a run in few files of limited size: the pieces of its model file, and ``details.tar``."""
    weights = run / "weights.safetensors"
    if not weights.is_file():
        recorder.result("training", {"error": f"{weights} does not exist"})
        return
    stored = weights
    if weights.stat().st_size > MAX_PIECES * PIECE_BYTES:
        stored = run / "half.safetensors"
        save_model_file(stored, to_half(load_model_file(weights)))
    pieces = split_pieces(stored, out)
    with tarfile.open(out / "details.tar", "w") as archive:
        names = ["log.jsonl", "config.json", "card.md"]
        samples = sorted((run / "samples").glob("*.png"))
        for path in [*(run / name for name in names), *dict.fromkeys([*samples[:1], *samples[-3:]])]:
            if path.is_file():
                archive.add(path, path.relative_to(run).as_posix())
    recorder.result("training", {"pieces": [piece.name for piece in pieces], "float16": stored != weights})


def split_pieces(path: Path, out: Path, piece_bytes: int = PIECE_BYTES) -> list[Path]:
    """Write the parts of a file to ``out``, as NAME.00, NAME.01 and so on, and return their paths."""
    data = path.read_bytes()
    pieces = []
    for index, start in enumerate(range(0, len(data), piece_bytes)):
        piece = out / f"weights.safetensors.{index:02}"
        piece.write_bytes(data[start : start + piece_bytes])
        pieces.append(piece)
    return pieces


def join_pieces(folder: Path, target: Path) -> Path:
    """Write the model file whose pieces are in ``folder`` to ``target``, and return ``target``."""
    pieces = sorted(folder.glob("weights.safetensors.[0-9][0-9]"))
    target.write_bytes(b"".join(piece.read_bytes() for piece in pieces))
    load_model_file(target)  # raises ModelFileError if a piece is missing
    return target


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--minutes", type=float, default=9, help="length of the whole session")
    parser.add_argument("--train-minutes", type=float, default=3, help="part of it that is kept for the training")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--data", type=Path, help="folder of the unpaired dataset to train on; without it, no training")
    parser.add_argument("--method", default="cut", choices=["cut", "cyclegan"])
    parser.add_argument("--recipe", default="fast")
    parser.add_argument("--train-flags", default="", help="further flags of `i2i train`, in one string")
    parser.add_argument("--only", nargs="+", default=[], help="stages to run; the training is called training")
    parser.add_argument("--rehearse", action="store_true", help="tiny networks and a few steps, for a CPU")
    return parser.parse_args(words)


def main(words: Sequence[str] | None = None) -> None:
    """Run the session."""
    args = parse_arguments(words)
    args.out = args.out.resolve()
    deadline = time.monotonic() + 60 * args.minutes
    recorder = Recorder(args.out)
    trains = args.data is not None and (not args.only or "training" in args.only)
    reserved = 60 * args.train_minutes if trains else 0
    for stage in stages(args):
        run_stage(stage, min(stage.seconds, deadline - reserved - time.monotonic()), recorder)
    if trains:
        train(args, deadline - time.monotonic() - 5, recorder)


if __name__ == "__main__":
    main()
