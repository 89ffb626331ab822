"""Every row of writes and invalidation is measured; a write is seen after it is told, or the round does not count."""

from collections import deque
from importlib.util import cache_from_source
from pathlib import Path

import pytest

from benchmarks.bench import Bench
from benchmarks.results import OURS, Sample
from benchmarks.sections import coherence as section
from benchmarks.sections.coherence import Startup, lags, startups
from benchmarks.workers.lag import BEFORE, RETURNED, SEEN, STORED, TOLD
from tests.benchmarks.processes import real_place

__all__ = ["real_place"]

RETURNED_LABEL = section._RETURNED


def at(**moments):
    return {name: Sample((moment,)) for name, moment in moments.items()}


class Scripted:
    """A worker that answers as it is told; `asked` are the questions of all."""

    def __init__(self, asked, *answers):
        self._asked = asked
        self._answers = deque(answers)

    def put(self, question, *arguments):
        self._asked.append(question)

    def take(self):
        return self._answers.popleft()

    def ask(self, question, *arguments):
        self.put(question)
        return {} if question == "held" else self.take()


def measured(rounds, *moments, took=0.0, away=0.0, **options):
    """Return what is found when the writer tells and the reader sees at these moments: (told, seen, returned).

    Telling takes `took` seconds, and the reader was `away` before it saw, in the last round but one.
    """
    asked, written, looks = [], [], []
    for number, (told, *rest) in enumerate(moments):
        late, gone = (took, away) if number == len(moments) - 2 else (0.0, 0.0)
        written.append(at(**{TOLD: told, STORED: told + late}))
        looks.append(at(**{BEFORE: rest[0] - gone, SEEN: rest[0], RETURNED: rest[1]}) if rest else {})
    writer, reader = Scripted(asked, *written), Scripted(asked, *looks)
    return lags(writer, "write", reader, "watch", rounds=rounds, **options), asked


FIRST = (0.0, 1.0, 1.0)


class TestLags:
    def test_the_time_from_the_write_to_the_look_and_to_its_end(self):
        found, asked = measured(2, FIRST, (10.0, 10.25, 10.5), (20.0, 21.0, 22.0))

        assert found == {OURS: Sample((0.25, 1.0)), RETURNED_LABEL: Sample((0.5, 2.0))}
        assert asked == ["held", "watch", "write"] * 3

    def test_of_a_look_that_was_under_way_only_the_end_is_known(self):
        found, _ = measured(1, FIRST, (10.0, 9.5, 10.5))

        assert found == {OURS: Sample((0.5,)), RETURNED_LABEL: Sample((0.5,))}

    def test_a_reader_that_came_too_late_does_not_count(self):
        found, _ = measured(1, FIRST, (10.0,), (20.0, 20.5, 20.5))

        assert found[OURS] == Sample((0.5,))

    def test_news_of_an_earlier_write_do_not_count(self):
        found, _ = measured(1, FIRST, (10.0, 9.0, 9.5), (20.0, 20.5, 20.5))

        assert found[OURS] == Sample((0.5,))

    @pytest.mark.parametrize("disturbance", [{"took": 0.001}, {"away": 0.001}])
    def test_who_was_kept_from_the_processor_tells_nothing_of_a_store(self, disturbance):
        moments = (FIRST, (10.0, 10.5, 10.5), (20.0, 20.25, 20.25))

        found, _ = measured(1, *moments, undisturbed=True, **disturbance)
        assert found[OURS] == Sample((0.25,))
        found, _ = measured(1, *moments, **disturbance)
        assert found[OURS] == Sample((0.5,))

    def test_after_many_attempts_what_there_is_must_do(self):
        found, _ = measured(2, FIRST, (10.0, 10.5, 10.5), *[(20.0,)] * 5)

        assert found[OURS] == Sample((0.5,))

    def test_a_reader_that_sees_nothing_is_an_error(self):
        with pytest.raises(RuntimeError, match="saw none"):
            measured(1, FIRST, *[(10.0,)] * 3)


def test_processes_of_a_host_and_of_two_hosts_see_what_is_written(real_place, monkeypatch):
    # On a busy machine every round may be disturbed.
    monkeypatch.setattr(section, "_AWAY", 60.0)
    bench = Bench(real_place, quick=True, say=lambda what: None)
    bench.often = lambda full, quick: 4

    rows = list(section._seen(bench, real_place.database_copy("coherence")))

    assert [row.id for row in rows] == ["coherence.host", "coherence.redis", "coherence.redis-busy"]
    assert [len(row.samples[OURS].rounds) for row in rows] == [4, 4, 1]
    assert all(0 < seen < 10 for row in rows for seen in row.samples[OURS].rounds)


def test_the_other_rows_are_measured(restaurant, tiny_bench, workers_in_process, monkeypatch, tmp_path):
    tiny_bench.place.folder = tmp_path
    tiny_bench.place.database_copy = "sqlite:///{}".format
    started = workers_in_process(section)
    monkeypatch.setattr(section, "_seen", lambda *_: iter(()))
    monkeypatch.setattr(section, "startups", lambda place, rounds: ([Startup(0.5, 1)] * 3, [Startup(0.25, 0)] * 3))

    rows = {row.id: row for row in section.rows(tiny_bench)}

    reached = {row.id: [outcome.reached for outcome in row.outcomes()] for row in rows.values()}
    assert reached.pop("coherence.list-update")[0] > 0
    assert reached == {
        "coherence.trips": [2.0],
        "coherence.trips-100": [2.0],
        "coherence.write": [],
        "coherence.write-local": [],
        "coherence.list-queries": [3.0],
        "coherence.list-rows": [1.0],
        "coherence.startup": [0.25],
        "coherence.startup-redis": [3.0],
    }
    assert [environment.get("REDIS_URL") for _, environment in started] == [None, ""]
    assert {environment["DATABASE_URL"] for _, environment in started} == {"sqlite:///coherence"}


@pytest.mark.parametrize("kept", [True, False])
def test_starts_are_fresh_interpreters_by_turns(real_place, monkeypatch, kept):
    monkeypatch.setattr(section, "_is_bytecode_kept", lambda: kept)
    with_it, without = startups(real_place, rounds=1)

    assert (len(with_it), len(without)) == (1, 1)
    assert min(with_it[0].seconds, without[0].seconds) > 0
    assert with_it[0].redis == 0
    # Both sides start from bytecode, wherever the sources lie.
    written = [path for path in (real_place.folder / "bytecode").rglob("*.pyc") if path.match("caching/regions.*.pyc")]
    assert len(written) == (0 if kept else 1)


def test_bytecode_is_kept_where_there_is_some(monkeypatch, tmp_path):
    monkeypatch.setattr(section.regions, "__file__", str(tmp_path / "regions.py"))
    assert not section._is_bytecode_kept()

    kept = Path(cache_from_source(section.regions.__file__))
    kept.parent.mkdir(parents=True)
    kept.touch()
    assert section._is_bytecode_kept()
