"""A worker for the tests of conversations: it says what it is asked, fails and goes silent."""

from __future__ import annotations

import os
import sys

from benchmarks.conversation import Answer, serve
from benchmarks.results import Sample, Unable


def number(given: float) -> Answer:
    return {"number": Sample((given,))}


def reason(given: str) -> Answer:
    return {"reason": Unable(given)}


def told(name: str) -> Answer:
    return {"told": Unable(os.environ[name])}


def fail() -> Answer:
    # On purpose: nobody shall read of an error where there is none.
    sys.stderr.close()
    raise ZeroDivisionError


if __name__ == "__main__":
    serve({"number": number, "reason": reason, "told": told, "fail": fail})
