"""The command ``python -m tests.faults``: attack, and print a table."""

import argparse
import sys
import tempfile
from pathlib import Path


def main() -> int:
    from tests.faults.suite import KINDS, run_suite

    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, help="rounds of each kind; by default a few, which take half a minute in all"
    )
    parser.add_argument("--start", type=int, default=0, help="number of the first round, to repeat one")
    parser.add_argument("--only", nargs="+", choices=list(KINDS), default=list(KINDS), metavar="KIND")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--seconds", type=float, default=float("inf"), help="limit for each kind; rounds beyond it are left out"
    )
    parser.add_argument("--out", type=Path, help="folder for failures.jsonl, table.json and the files of each failure")
    options = parser.parse_args()
    rounds = None if options.rounds is None else range(options.start, options.start + options.rounds)
    memory = Path("/dev/shm")  # fsync takes no time there
    with tempfile.TemporaryDirectory(prefix="i2i-faults-", dir=memory if memory.is_dir() else None) as folder:
        failed = run_suite(
            Path(folder), options.only, rounds, options.seed, options.out, options.seconds
        )  # fmt: skip
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
