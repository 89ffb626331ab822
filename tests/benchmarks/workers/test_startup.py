"""A fresh interpreter tells how long it took to start, and what it imported."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from benchmarks.sections.coherence import Startup
from benchmarks.workers.startup import WITH, WITHOUT

_ROOT = Path(__file__).resolve().parents[3]
_SHOW = """
import sys
{before}
sys.argv = ["startup", {which!r}]
from benchmarks.workers.startup import main
main()
sys.stderr.write("caching" if "caching.regions" in sys.modules else "nothing")
"""


def start(which, before=""):
    done = subprocess.run(
        [sys.executable, "-c", _SHOW.format(which=which, before=before)],
        cwd=_ROOT,
        env={**os.environ, "REDIS_URL": ""},
        capture_output=True,
        check=True,
    )
    return msgspec.json.decode(done.stdout, type=Startup), done.stderr.decode()


@pytest.mark.parametrize(("which", "imported"), [(WITH, "caching"), (WITHOUT, "nothing")])
def test_a_project_starts_with_the_framework_or_without(which, imported):
    found, said = start(which)

    assert found.seconds > 0
    assert found.redis == 0
    assert said == imported


def test_a_start_that_imports_redis_says_so():
    found, _ = start(WITHOUT, before="import redis")

    assert found.redis == 1
