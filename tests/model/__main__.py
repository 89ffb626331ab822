"""Prints the states and violations of every case: `python -m tests.model [--big] [-v]`.

With `--big` the wide scopes are visited, too (minutes); with `-v` each kind's shortest trace is printed. Broken
variants are marked with x and left when they are caught. The exit status is 1 if a case shows what it should not, or
does not show what it should.
"""

from __future__ import annotations

import sys
import time

from tests.model.cases import CASES, settled


def main(*options: str) -> int:
    failed = 0
    for model, cases in CASES.items():
        print(f"\n{model:54s} {'states':>9s} {'seconds':>8s}  violations")  # noqa: T201
        for case in cases:
            if case.big and "--big" not in options:
                continue
            began = time.process_time()
            outcome, good = settled(case)
            failed += not good
            counts = " ".join(f"{kind}:{count}" for kind, count in sorted(outcome.counts.items())) or "none"
            verdict = "" if good else f"  but should be {' '.join(sorted(case.shows)) or 'none'}"
            mark = "x" if case.broken else " "
            seconds = time.process_time() - began
            print(f"{mark} {case.name:52s} {outcome.states:9d} {seconds:8.2f}  {counts}{verdict}", flush=True)  # noqa: T201
            if outcome.traces and ("-v" in options or not good):
                print("      " + outcome.told().replace("\n", "\n      "))  # noqa: T201
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
