"""After each acknowledged write every worker is asked, and what is older counts as stale."""

from http.client import RemoteDisconnected
from itertools import count, islice
from threading import Event

import msgspec
import pytest

from benchmarks.freshness import ADDRESSES, Tally, Write, write_and_look, writes, writing
from benchmarks.webserver import Answer
from benchmarks.world import ORG

WRITE = Write("PATCH", "/thing/", {"name": "new"}, "/things/", b'"name":"new"')
ACKNOWLEDGED = Answer(200, b"")
NEW, OLD = Answer(200, b'{"name":"new"}'), Answer(200, b'{"name":"old"}')


class Client:
    """Answers as it is told, or raises that."""

    def __init__(self, answer):
        self.asked = []
        self.closed = False
        self._answer = answer

    def ask(self, method, address, body=None, **headers):
        self.asked.append((method, address, body, headers))
        answer = self._answer(address) if callable(self._answer) else self._answer
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self):
        self.closed = True


def looked(written, *readers, below=""):
    tally = Tally()
    acknowledged = write_and_look(WRITE, Client(written), readers, tally, below=below)
    return acknowledged, tally


class TestLooking:
    def test_workers_that_serve_the_write_are_fresh(self):
        acknowledged, tally = looked(ACKNOWLEDGED, Client(NEW), Client(NEW))

        assert acknowledged
        assert tally == Tally(writes=1, reads=2)

    def test_each_that_serves_something_older_counts(self):
        _, tally = looked(Answer(201, b""), Client(OLD), Client(NEW), Client(OLD))

        assert tally == Tally(writes=1, reads=3, stale=2)

    def test_the_reading_is_done_where_it_is_told_to(self):
        reader = Client(NEW)

        looked(ACKNOWLEDGED, reader, below="uncached/")

        assert reader.asked == [("GET", "/things/uncached/", None, {})]

    @pytest.mark.parametrize("answer", [Answer(503, b"busy"), RemoteDisconnected("gone"), ConnectionResetError()])
    def test_a_write_that_is_not_acknowledged_is_an_error_and_nothing_is_looked_for(self, answer):
        reader = Client(OLD)

        acknowledged, tally = looked(answer, reader)

        assert not acknowledged
        assert (tally.writes, tally.errors, len(tally.troubles), reader.asked) == (0, 1, 1, [])

    @pytest.mark.parametrize("answer", [Answer(500, b"oops"), RemoteDisconnected("gone")])
    def test_a_read_that_fails_is_an_error_and_not_stale(self, answer):
        _, tally = looked(ACKNOWLEDGED, Client(answer))

        assert (tally.writes, tally.reads, tally.stale, tally.errors) == (1, 0, 0, 1)

    def test_only_the_first_troubles_are_told(self):
        tally = Tally()
        for number in range(5):
            tally.trouble(str(number))

        assert tally.errors == 5
        assert tally.troubles == ["0", "1", "2"]


class Server:
    """Two workers that serve what was written, or what the test says."""

    workers = (1, 2)

    def __init__(self, written=ACKNOWLEDGED):
        self.clients = []
        self.enough = Event()
        self._written = written
        self._counted = count(1)

    def client(self, worker=None):
        self.clients.append(Client(self._write if worker is None else NEW))
        return self.clients[-1]

    def _write(self, address):
        if next(self._counted) == 3:
            self.enough.set()
        return self._written


class TestWriting:
    def test_writes_go_on_as_long_as_the_block_lasts(self):
        server = Server()
        with writing(server, iter(lambda: WRITE, None), per_second=1e6) as tally:
            assert server.enough.wait(60)

        assert tally.writes >= 3
        assert tally.reads == 2 * tally.writes
        assert (tally.stale, tally.errors) == (0, 0)
        assert all(client.closed for client in server.clients)

    def test_at_a_low_rate_there_is_one_at_once_and_nobody_waits_for_the_next(self):
        with writing(Server(), iter(lambda: WRITE, None), per_second=1e-6) as tally:
            pass

        assert tally.writes == 1

    def test_the_first_that_fails_is_the_last(self):
        server = Server(written=Answer(503, b""))
        with writing(server, iter([WRITE, WRITE]), per_second=1e6) as tally:
            pass

        assert tally.errors == 1


class TestWrites:
    @pytest.fixture
    def upcoming(self):
        def answer(address):
            found = {"results": [{"id": "first"}, {"id": "second"}], "balance": "12.50"}
            return Answer(200, msgspec.json.encode(found))

        server = Server()
        server.client = lambda: Client(answer)
        return list(islice(writes(server), 9))

    def test_profile_order_and_balance_take_turns(self, upcoming):
        assert [write.read_at for write in upcoming] == [
            ADDRESSES[name] for name in ("profile", "active", "balance")
        ] * 3
        assert [write.method for write in upcoming[:3]] == ["PATCH", "PATCH", "POST"]

    def test_each_order_has_its_turn(self, upcoming):
        orders = [write.address for write in upcoming if write.read_at == ADDRESSES["active"]]

        assert orders == [f"/api/v1/orgs/{ORG}/orders/{each}/" for each in ("first", "second", "first")]

    def test_every_write_is_known_by_what_it_changed(self, upcoming):
        assert len({write.expected for write in upcoming}) == 9
        for write in upcoming:
            for text in write.body.values():
                assert write.read_at == ADDRESSES["balance"] or text.encode() in write.expected

    def test_the_balance_grows_by_what_is_entered(self, upcoming):
        balances = [write.expected for write in upcoming if write.read_at == ADDRESSES["balance"]]

        assert balances == [b'"balance":"13.50"', b'"balance":"14.50"', b'"balance":"15.50"']
