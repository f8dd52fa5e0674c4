"""Train on a CUDA machine that is available for a few minutes, and check and measure i2i there, in one command.

python -m tests.benchmarks.cuda_session --out results --minutes 9.5 --data horse2zebra \\
    --train "zebra=cut --recipe fast --data horse2zebra" --train "horse=cut --recipe fast --data horse2zebra \\
    --direction BtoA"
python -m tests.benchmarks.cuda_session --out results --minutes 4 --quiet-minutes 2 --device cpu --rehearse

The trainings run at the same time from the first second. Beside them the checks run one after the other. The last
--quiet-minutes belong to the measurements of speed: by then the trainings have ended, or are stopped and save.

Each training and each stage is a process of its own with a time limit: one that fails, hangs or breaks the CUDA
context does not affect the others. All results are written as they arrive: ``results.jsonl``, ``session.log``,
``details.tar`` (logs, settings, samples, profiles) and ``NAME.safetensors`` of each training, after each of its saves.
A model file of more than 15.5 MB is stored in float16; one that is still larger is stored in pieces, which
``cuda_results.join_pieces`` joins. Of a training with ``--snapshot-every`` as many snapshots are stored at the end as
the number of files allows, each as ``NAME-STEP.safetensors``. ``cuda_pack`` prepares a folder for a machine without a
network.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.benchmarks.cuda_results import MAX_FILES, OTHER_FILES, check_limits
from tests.benchmarks.cuda_stages import Recorder, Stage, run_stage
from tests.benchmarks.cuda_trainings import STOP_SECONDS, Training, finish_trainings, parse_spec, store_details

END_MARGIN = 4  # seconds that are left for the last writes
STORE_SECONDS = 8  # for the last model files


def check_stages(args: argparse.Namespace) -> list[Stage]:
    """Return the stages that run beside the trainings, the most valuable first."""
    check = ["-m", "tests.benchmarks.cuda_checks"]
    device = ["--device", args.device, *(["--rehearse"] if args.rehearse else [])]
    size = ["--size", str(args.check_size)]
    result = [
        Stage("environment", [*check, "environment", *device], 40),
        Stage("capture", [*check, "capture", *device], 40),
        Stage("graphs", [*check, "graphs", *device, *size], 120),
        Stage("compiled", [*check, "compiled", *device, *size], 120),
        Stage("memory", [*check, "memory", *device], 50),
        Stage("resume", [*check, "resume", *device], 60),
        Stage("convert", [*check, "convert", *device], 60),
        # Fills the compiler's cache for the last stage of all. Its times are not those of a quiet machine.
        Stage("warm", [*_SPEED, "--modes", "compiled", "--timed", "1", *device], 400),
    ]
    return _selected(result, args)


_SPEED = ["-m", "tests.benchmarks.cuda_speed"]


def quiet_stages(args: argparse.Namespace, work: Path) -> list[Stage]:
    """Return the stages that need a machine without other work, the most valuable first."""
    only_device = ["--device", args.device]
    device = [*only_device, *(["--rehearse"] if args.rehearse else [])]
    size = ["--size", str(args.size)]
    small = args.rehearse
    images = ["--images", "100", "--photos", "2", "--rounds", "2", "--only", "plain", "auto"]
    steps = ["--rounds", "9"]
    loading = ["--rounds", "2", "--images", "100"]
    if small:
        images = ["--images", "4", "--photos", "0", "--rounds", "1", "--ngf", "4", "--only", "plain", "auto"]
        steps = ["--rounds", "1", "--ngf", "8"]
        loading = ["--rounds", "1", "--images", "8"]
    result = [
        Stage("speed", [*_SPEED, "--modes", "eager", "graph", *device], 75),
        Stage("profile", [*_SPEED, "--profile", str(work / "profiles"), *device], 45),
        Stage("conversion", ["-m", "tests.benchmarks.conversion", "--random", *images, *only_device], 45),
        Stage("loading", ["-m", "tests.benchmarks.loading", "--data", str(args.data), *size, *loading], 30),
        Stage("steps", ["-m", "tests.benchmarks.steps", "cyclegan", *size, *steps, *only_device], 40),
        Stage("speed compiled", [*_SPEED, "--modes", "compiled", *device], 400),
    ]
    return _selected([stage for stage in result if args.data or stage.name != "loading"], args)


def _selected(stages: list[Stage], args: argparse.Namespace) -> list[Stage]:
    # Compiling for a CPU takes minutes.
    names = args.only or [
        stage.name for stage in stages if not (args.rehearse and stage.name in ("compiled", "warm", "speed compiled"))
    ]
    return [stage for stage in stages if stage.name in names]


def parse_arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument(
        "--train", type=parse_spec, action="append", default=[], metavar="NAME=METHOD FLAGS",
        help="a training: arguments of `i2i train`; repeatable. --name, --device, --save-every-minutes, --sample-every "
        "and, without --steps or --epochs, --max-hours are set by the session",
    )  # fmt: skip
    parser.add_argument("--minutes", type=float, default=9.5, help="length of the whole session")
    parser.add_argument("--quiet-minutes", type=float, default=2.5, help="its last part, without trainings")
    parser.add_argument("--started", type=float, help="when the session began, in seconds since 1970; default: now")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, default=256, help="side of the images of the measurements, in pixels")
    parser.add_argument("--check-size", type=int, default=64, help="side of the images of the checks")
    parser.add_argument("--data", help="dataset of the stage loading; without it, there is no such stage")
    parser.add_argument("--work", type=Path, help="new folder of runs, logs and caches; default: a temporary folder")
    parser.add_argument("--only", nargs="+", default=[], help="stages to run")
    parser.add_argument("--rehearse", action="store_true", help="tiny networks and a few steps, for a CPU")
    args = parser.parse_args(words)
    names = [spec.name for spec in args.train]
    if len(set(names)) < len(names):
        parser.error(f"two trainings have the same name: {', '.join(names)}")
    return args


def session_environment(work: Path) -> dict[str, str]:
    """Return the environment of all processes: what is compiled or packed once is shared by them."""
    shared = {"TORCHINDUCTOR_CACHE_DIR": str(work / "inductor"), "I2I_CACHE": str(work / "cache")}
    own = {"I2I_CHECKPOINTS": str(work / "runs"), "PYTHONUNBUFFERED": "1"}
    return {**shared, **os.environ, **own}


def main(words: Sequence[str] | None = None) -> None:
    """Run the session."""
    args = parse_arguments(words)
    args.out = args.out.resolve()
    elapsed = time.time() - args.started if args.started else 0.0
    deadline = time.monotonic() + 60 * args.minutes - elapsed - END_MARGIN
    work = (args.work or Path(tempfile.mkdtemp(prefix="cuda-session-"))).resolve()
    recorder = Recorder(args.out)
    trainings = [Training(spec, args.out, work, recorder) for spec in args.train]
    try:
        _run(args, trainings, work, recorder, deadline)
    finally:  # also if the session is stopped: the model files are stored in any case
        finish_trainings(trainings, time.monotonic())
        for training in trainings:
            training.store_snapshots((MAX_FILES - OTHER_FILES) // len(trainings) - 1)
        store_details(work, args.out)
        recorder.result("session", check_limits(args.out))


def _run(args: argparse.Namespace, trainings: list[Training], work: Path, recorder: Recorder, deadline: float) -> None:
    environment = session_environment(work)
    stages = quiet_stages(args, work)
    reserved = 60 * args.quiet_minutes if stages else (STOP_SECONDS + STORE_SECONDS if trainings else 0)
    quiet = deadline - reserved
    for training in trainings:
        training.start(quiet - time.monotonic(), args.device, args.rehearse, environment)
    _run_stages(check_stages(args), quiet, recorder, environment)
    finish_trainings(trainings, quiet)
    for stage in stages:
        _run_stages([stage], deadline, recorder, environment)
        store_details(work, args.out)


def _run_stages(stages: list[Stage], deadline: float, recorder: Recorder, environment: Mapping[str, str]) -> None:
    for stage in stages:
        run_stage(stage, min(stage.seconds, deadline - time.monotonic()), recorder, environment)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # runs the clean-up
    main()
