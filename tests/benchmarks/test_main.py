"""The command: a run of a small section from end to end, and what it keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks.__main__ import Files, main
from benchmarks.baseline import baseline_read, baseline_write
from benchmarks.record import Part, record_read, record_write
from benchmarks.results import OURS, Row, Sample, Target
from tests.benchmarks.records import hit, local, memory, record, size

_ROOT = Path(__file__).resolve().parents[2]

# Django can be set up once in a process, so that a run has one of its own.
_RUN = """
import sys
from pathlib import Path
from types import SimpleNamespace

from benchmarks.__main__ import Files, main
from benchmarks.results import OURS, Row, Sample, Target


def rows(bench):
    from django.conf import settings
    from redis import Redis

    from benchmarks.world import ACTIVE, ORG
    from restaurant.fast_access import get_order_fast_access_cache

    bench.say("active orders")
    orders = get_order_fast_access_cache().get_active_orders(ORG)
    yield Row("local.orders", "Orders", {OURS: Sample((float(len(orders)),))}, [Target("limit", ACTIVE)], "orders")
    bench.say("keys in Redis")
    keys = Redis.from_url(settings.REDIS_URL).dbsize()
    yield Row("local.keys", "Keys", {OURS: Sample((float(keys),))}, [Target("limit", 0)], "keys")


folder = Path(sys.argv[1])
files = Files(folder / "latest.json", folder / "baseline.json", folder / "docs")
sys.exit(main(sys.argv[2:], files, {"local": lambda: SimpleNamespace(TITLE="A small section", rows=rows)}))
"""

# A section whose figures come back, one whose figures do not, and one that has no need to.
_TWICE = """
import sys
from pathlib import Path
from types import SimpleNamespace

from benchmarks.__main__ import Files, main
from benchmarks.results import OURS, Row, Sample, Target

figures = {"local": iter([1.5, 0.75]), "memory": iter([1.5, 1.25]), "load": iter([0.5])}


def section(name):
    def rows(bench):
        from redis import Redis

        with Redis.from_url(bench.place.redis_url) as client:
            client.incr(name)
            turn = float(client.get(name))
        note = bench.place.database_copy(name)
        yield Row(f"{name}.row", "A row", {OURS: Sample((next(figures[name]),))}, [Target("limit", 1)], "x", note)
        yield Row(f"{name}.turns", "Turns that Redis knows of", {OURS: Sample((turn,))}, [Target("limit", 1)], "x")

    return lambda: SimpleNamespace(TITLE=name, rows=rows)


folder = Path(sys.argv[1])
files = Files(folder / "latest.json", folder / "baseline.json", folder / "docs")
sys.exit(main(["--quick"], files, {name: section(name) for name in figures}))
"""

_ENDED = """
import os, signal, sys
from pathlib import Path
from types import SimpleNamespace

from benchmarks.__main__ import Files, main


def rows(bench):
    server = bench.place.python(["-c", "import sys; sys.stdin.read()"])
    Path(sys.argv[1], "started").write_text(f"{server.pid} {bench.place.folder}")
    os.kill(os.getpid(), signal.SIGTERM)
    yield from ()


folder = Path(sys.argv[1])
files = Files(folder / "latest.json", folder / "baseline.json", folder / "docs")
sys.exit(main(["--quick"], files, {"local": lambda: SimpleNamespace(TITLE="A small section", rows=rows)}))
"""


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path / "latest.json", tmp_path / "baseline.json", tmp_path / "docs")


def last(files, *parts, arguments=()):
    """Run the command on a run that was measured before."""
    record_write(files.latest, record(*parts))
    return main(["--last", *arguments], files, {"local": None, "memory": None})


def test_a_run_measures_the_site_on_its_data_with_redis_and_says_what_it_found(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", _RUN, tmp_path, "--quick", "--update-baseline"],
        cwd=_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert run.stderr.splitlines() == ["local: active orders", "local: keys in Redis"]
    assert "A small section" in run.stdout
    assert "ok 100 orders" in run.stdout
    rows = {row["id"]: row for row in json.loads((tmp_path / "latest.json").read_text())["rows"]}
    assert rows["local.orders"]["samples"]["fast-access"]["median"] == 100
    assert rows["local.keys"]["targets"][0]["verdict"] == "short"
    kept = json.loads((tmp_path / "baseline.json").read_text())
    assert kept["quick"]["targets"]["local.orders | limit"]["verdict"] == "ok"


def test_sections_that_lost_a_target_are_measured_a_second_time_and_then_it_counts(files, tmp_path):
    ok = {OURS: Sample((1.0,))}
    parts = [
        Part(name, name, 1.0, [Row(f"{name}.row", "A row", ok, [Target("limit", 1)])])
        for name in ("local", "memory", "load")
    ]
    baseline_write(files.baseline, record(*parts))
    run = subprocess.run(
        [sys.executable, "-c", _TWICE, tmp_path], cwd=_ROOT, capture_output=True, text=True, timeout=120, check=False
    )

    assert run.returncode == 1, run.stderr
    assert "so measured a second time: local, memory" in run.stderr
    said = " ".join(run.stdout.split())
    assert "short, then ok (ok in the baseline): local.row | limit: 1.50x, then 0.750x, was 1.00x" in said
    assert "short, then short (ok in the baseline): memory.row | limit: 1.50x, then 1.25x, was 1.00x" in said
    found = record_read(files.latest)
    assert [part.name for part in found.parts] == ["local", "memory", "load"]
    assert [part.name for part in found.again] == ["local", "memory"]
    # With nothing in Redis that the first time has left there.
    assert [row.samples[OURS].median for part in found.again for row in part.rows] == [0.75, 1.0, 1.25, 1.0]


def test_a_run_in_which_something_failed_is_not_measured_again(files):
    baseline_write(files.baseline, record(local(hit()), memory(size())))
    before = baseline_read(files.baseline)["quick"]
    lost, failed = local(hit(ours=1.5e-6)), Part("memory", "Memory", 0, (), "interrupted")

    assert program._doubtful(before, record(lost, memory(size()))) == ["local"]
    assert program._doubtful(before, record(lost, failed)) == []
    assert program._doubtful(None, record(lost)) == []


def test_a_run_that_is_ended_leaves_no_process_and_no_file_behind(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", _ENDED, tmp_path], cwd=_ROOT, capture_output=True, text=True, timeout=120, check=False
    )

    server, folder = (tmp_path / "started").read_text().split()
    assert run.returncode == 2, run.stderr
    assert "local ended early: interrupted" in run.stdout
    with pytest.raises(ProcessLookupError):
        os.kill(int(server), 0)
    assert not Path(folder).exists()


def test_a_target_lost_since_the_baseline_makes_the_exit_code_1(files, capsys):
    assert last(files, local(hit()), memory(size()), arguments=["--update-baseline"]) == 0
    assert last(files, local(hit()), memory(size())) == 0
    assert last(files, local(hit(ours=1.5e-6)), memory(size())) == 1
    assert "local.profile | at most | dictionary: 1.50x, was 1.00x" in capsys.readouterr().out


def test_a_target_that_came_back_when_measured_again_makes_the_exit_code_0(files):
    last(files, local(hit()), memory(size()), arguments=["--update-baseline"])
    record_write(files.latest, record(local(hit(ours=1.5e-6)), memory(size()), again=[local(hit())]))

    assert main(["--last"], files, {"local": None, "memory": None}) == 0


def test_a_lost_target_of_an_accepted_run_is_lost_no_more(files):
    last(files, local(hit()), memory(size()), arguments=["--update-baseline"])

    assert last(files, local(hit(ours=1.5e-6)), memory(size()), arguments=["--update-baseline"]) == 0
    assert last(files, local(hit(ours=1.5e-6)), memory(size())) == 0


def test_a_failed_section_makes_the_exit_code_2_whatever_else_there_is(files):
    last(files, local(hit()), memory(size()), arguments=["--update-baseline"])

    assert last(files, local(hit(ours=1.5e-6)), Part("memory", "Memory", 0, (), "ValueError: no luck")) == 2


def test_without_a_run_of_its_kind_in_the_baseline_nothing_is_lost(files, capsys):
    assert last(files, local(hit(ours=1.5e-6))) == 0
    assert "baseline.json has no quick run to compare with." in capsys.readouterr().out


@pytest.mark.parametrize("parts", [[local(hit())], [local(hit()), Part("memory", "Memory", 0, (), "ValueError: no")]])
def test_a_run_that_lacks_a_section_makes_no_baseline(files, parts):
    assert last(files, *parts, arguments=["--update-baseline"]) == 2
    assert not files.baseline.exists()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["--section", "nothing"], "invalid choice"),
        (["--section", "local", "--update-baseline"], "made of all sections"),
        (["--section", "local", "--write-docs"], "made of all sections"),
        (["--last", "--quick"], "takes the last run as it is"),
        (["--last", "--section", "local"], "takes the last run as it is"),
    ],
)
def test_bad_usage_ends_with_2_before_anything_is_measured(files, capsys, arguments, why):
    with pytest.raises(SystemExit) as ended:
        main(arguments, files)

    assert ended.value.code == 2
    assert why in capsys.readouterr().err


def test_documents_need_the_program_that_draws(files, capsys, monkeypatch):
    monkeypatch.setattr(program.importlib.util, "find_spec", lambda name: None)

    with pytest.raises(SystemExit):
        main(["--write-docs"], files)

    assert "make bench" in capsys.readouterr().err


def test_documents_are_written_of_a_whole_run(files, monkeypatch):
    written = []
    monkeypatch.setattr(program.importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(program, "documents_write", lambda folder, of: written.append((folder, len(of.rows))))

    assert last(files, local(hit()), memory(size()), arguments=["--write-docs"]) == 0
    assert written == [(files.documents, 2)]


def test_last_without_a_run_before_says_so(files, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--last"], files)

    assert ended.value.code == 2
    assert "latest.json" in capsys.readouterr().err
