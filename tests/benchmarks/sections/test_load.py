"""The real server is driven by a stand-in for wrk: every row is measured, nothing fails and nothing is stale."""

from http import HTTPStatus

import pytest

from benchmarks.bench import Bench
from benchmarks.freshness import ADDRESSES
from benchmarks.results import OURS, Sample, Unable
from benchmarks.sections import load as section
from benchmarks.sections.load import FIXED, SERIALIZED, UNCACHED
from benchmarks.webserver import Answer, Client
from benchmarks.wrk import Shot
from tests.benchmarks.processes import real_place

__all__ = ["real_place"]

READS = [f"load.{name}{quantile}" for name in (*ADDRESSES, "mixed") for quantile in ("", "-p50", "-p99")]
IDS = [*READS, "load.errors", "load.stale"]


class StandIn:
    """Asks for each address twice; `shots` is what it was told to, `servers` whom."""

    def __init__(self):
        self.shots = []
        self.ports = set()

    def __call__(self, base, token, addresses, *, seconds):
        self.shots.append((tuple(addresses), seconds))
        port = int(base.rpartition(":")[2])
        self.ports.add(port)
        client = Client(port, token=token)
        statuses = [client.ask("GET", address).status for _ in range(2) for address in addresses]
        client.close()
        return Shot(len(statuses), 1.0, sum(status != HTTPStatus.OK for status in statuses), 0.001, 0.25, 0.5)


@pytest.fixture
def stand_in(monkeypatch):
    stand_in = StandIn()
    monkeypatch.setattr(section, "absence", lambda: None)
    monkeypatch.setattr(section, "shoot", stand_in)
    return stand_in


def test_all_rows_are_measured_on_the_real_server(real_place, stand_in):
    bench = Bench(real_place, quick=False, say=lambda what: None)
    bench.often = lambda full, quick: 1

    rows = {row.id: row for row in section.rows(bench)}

    assert list(rows) == IDS
    assert set(rows["load.active"].samples) == {OURS, FIXED, UNCACHED, SERIALIZED}
    assert set(rows["load.profile"].samples) == set(rows["load.balance"].samples) == {OURS, FIXED, UNCACHED}
    assert set(rows["load.mixed"].samples) == {OURS, UNCACHED}
    assert rows["load.active"].samples[OURS] == Sample((2.0,))
    assert rows["load.active-p50"].samples[UNCACHED] == Sample((0.25,))
    assert rows["load.active-p99"].samples[FIXED] == Sample((0.5,))
    assert [rows[f"load.{each}"].samples[OURS] for each in ("errors", "stale")] == [Sample((0.0,))] * 2
    # What was written was read from both workers.
    assert "1 writes beside 6 requests of wrk (14.3%)" in rows["load.stale"].note
    assert "2 reads" in rows["load.stale"].note
    # Every way is asked for with the site's own address, and the three by turns.
    assert {address for addresses, _ in stand_in.shots for address in addresses} >= set(ADDRESSES.values())
    assert stand_in.shots[-1][0] in {
        tuple(address + below for address in ADDRESSES.values()) for below in ("", "uncached/")
    }
    # And the server is gone.
    (port,) = stand_in.ports
    with pytest.raises(OSError, match="refused"):
        Client(port).ask("GET", "/api/v1/worker/")


class TestFailures:
    """What goes wrong is counted, however little it is."""

    class Server:
        base, token, workers = "http://127.0.0.1:1", "", ()

    @pytest.fixture
    def load(self, real_place):
        return section._Load(Bench(real_place, quick=True, say=lambda what: None), self.Server())

    def test_errors_of_the_load_generator_and_of_the_writer_are_added_up(self, load, monkeypatch):
        monkeypatch.setattr(section, "shoot", lambda *_, **__: Shot(10, 1.0, 2, 0.0, 0.0, 0.0))
        tally = section.Tally(writes=3, reads=6, stale=1, errors=1, troubles=["PATCH /x/: 503"])
        monkeypatch.setattr(section, "writing", lambda *_, **__: _Block(tally))
        load._shoot(OURS, ["/"], "active")
        load._shoot(FIXED, ["/"], "active")
        load._with_writes(OURS, iter(()), 100.0)

        errors, stale = load._failures()

        assert errors.samples[OURS] == Sample((5.0,))
        assert errors.note == "PATCH /x/: 503"
        assert stale.samples[OURS] == Sample((1.0,))
        assert [outcome.verdict for row in (errors, stale) for outcome in row.outcomes()] == ["short", "short"]

    def test_slow_ways_have_fewer_and_longer_rounds_between_the_others(self, load, monkeypatch):
        shots = []

        def shoot(base, token, addresses, *, seconds):
            shots.append((addresses, seconds))
            return Shot(10, 1.0, 0, 0.0, 0.0, 0.0)

        monkeypatch.setattr(section, "shoot", shoot)
        calls = {peer: lambda peer=peer: load._shoot(peer, peer, "active") for peer in (OURS, FIXED, UNCACHED)}

        found = load._interleaved("active", calls)

        assert {peer: len(each) for peer, each in found.items()} == {OURS: 3, FIXED: 3, UNCACHED: 1}
        assert set(shots) == {(OURS, 0.25), (FIXED, 0.25), (UNCACHED, 1.5)}
        # One of each, in any order, before the next of any.
        assert {peer for peer, _ in shots[:3]} == {OURS, FIXED, UNCACHED}

    def test_after_a_slow_round_the_server_has_time_to_finish(self, load, monkeypatch):
        waits = []
        monkeypatch.setattr(section, "shoot", lambda *_, **__: Shot(10, 1.0, 0, 0.75, 0.0, 0.0))
        monkeypatch.setattr(section.time, "sleep", waits.append)

        for peer in (OURS, FIXED, SERIALIZED):
            load._shoot(peer, ["/"], "active")

        assert waits == [0.75]

    def test_one_write_comes_with_ninety_nine_reads(self, load, monkeypatch):
        rates = []
        monkeypatch.setattr(section, "shoot", lambda *_, **__: Shot(10, 1.0, 0, 0.0, 0.0, 0.0))
        monkeypatch.setattr(
            section, "writing", lambda *_, per_second, below: rates.append(per_second) or _Block(section.Tally())
        )

        load._with_writes(OURS, iter(()), 990.0)

        assert rates == [pytest.approx(10.0)]

    def test_what_does_not_say_the_same_is_not_compared(self, load, monkeypatch):
        bodies = iter([b'{"a": 1}', b'{"a": 2}'])
        load._server.workers = (1,)
        load._server.client = lambda worker: _Answering(lambda: (200, next(bodies)))

        with pytest.raises(RuntimeError, match="Not all of /a/, /b/ answer the same"):
            load._compare(["/a/", "/b/"])

    def test_what_fails_is_not_compared(self, load):
        load._server.workers = (1,)
        load._server.client = lambda worker: _Answering(lambda: (404, b"{}"))

        with pytest.raises(RuntimeError, match="Not all of /a/"):
            load._compare(["/a/"])


def test_without_wrk_every_row_says_why(real_place, monkeypatch):
    monkeypatch.setattr(section, "absence", lambda: Unable("There is none."))

    rows = list(section.rows(Bench(real_place, quick=True)))

    assert [row.id for row in rows] == IDS
    assert {sample for row in rows for sample in row.samples.values()} == {Unable("There is none.")}
    assert {outcome.verdict for row in rows for outcome in row.outcomes()} == {"unable"}


class _Block:
    def __init__(self, tally):
        self._tally = tally

    def __enter__(self):
        return self._tally

    def __exit__(self, *_):
        """Nothing was begun."""


class _Answering:
    def __init__(self, answer):
        self._answer = answer

    def ask(self, method, address):
        return Answer(*self._answer())

    def close(self):
        """Nothing was opened."""
