"""The scratch place leaves nothing behind: no files, no servers, no processes."""

import json
import sqlite3
import sys
from contextlib import closing

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NobodyThere

from benchmarks import place as module
from benchmarks.place import Place

ANSWERS = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"
DEAF = "import signal, sys\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\nsys.stdin.read()"


class Server:
    """A server that is none."""

    def start(self):
        """Nothing to start."""

    terminate = start


def test_the_folder_is_there_within_the_block_and_not_after():
    with Place() as place:
        (place.folder / "written").write_text("something")
        assert place.folder.is_dir()

    assert not place.folder.exists()


def test_the_folder_goes_when_the_run_fails():
    with pytest.raises(ZeroDivisionError), Place() as place:
        raise ZeroDivisionError

    assert not place.folder.exists()


def test_the_server_is_started_when_asked_for_and_ends_with_the_block():
    with Place() as place:
        client = Redis.from_url(place.redis_url)
        assert client.ping()
        assert place.valkey is place.valkey

    with pytest.raises(NobodyThere):
        client.ping()


def test_two_runs_at_once_have_servers_of_their_own():
    with Place() as one, Place() as other:
        Redis.from_url(one.redis_url).set("whose", "one's")
        client = Redis.from_url(other.redis_url)

        assert one.valkey.port != other.valkey.port
        assert client.get("whose") is None


def test_the_port_of_the_server_is_any_that_is_free(monkeypatch):
    asked = []
    monkeypatch.setattr(module, "ValkeyServer", lambda **options: asked.append(options) or Server())

    with Place() as one, Place() as other:
        assert one.valkey is not other.valkey

    # Looked for from a fixed one on, two runs that begin together would both find the next.
    ports = [options["port"] for options in asked]
    assert len(set(ports)) == 2
    assert all(port > 1024 for port in ports)


def test_what_redis_was_told_can_be_forgotten():
    with Place() as place:
        client = Redis.from_url(place.redis_url.replace("/0", "/3"))
        client.set("kept", 1)
        place.redis_flush()

        assert client.dbsize() == 0


def test_a_copy_of_the_database_is_as_it_stands_and_nobody_elses():
    with Place() as place:
        with closing(sqlite3.connect(place.folder / "db.sqlite3")) as world:
            world.executescript("CREATE TABLE words (word); INSERT INTO words VALUES ('one');")
            url = place.database_copy("mine")
            world.executescript("INSERT INTO words VALUES ('two');")
        assert url == f"sqlite:///{place.folder / 'mine.sqlite3'}"
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as mine:
            assert mine.execute("SELECT word FROM words").fetchall() == [("one",)]


def test_another_copy_of_that_name_has_nothing_of_the_older_one():
    with Place() as place:
        (place.folder / "mine.sqlite3").write_text("no database")
        (place.folder / "mine.sqlite3-wal").write_text("what a process that was ended left")
        with closing(sqlite3.connect(place.folder / "db.sqlite3")) as world:
            world.executescript("CREATE TABLE words (word)")
        url = place.database_copy("mine")
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as mine:
            assert mine.execute("SELECT name FROM sqlite_master").fetchall() == [("words",)]
        assert [path.name for path in place.folder.glob("mine*")] == ["mine.sqlite3"]


def test_processes_are_told_of_the_place_and_of_what_differs():
    with Place() as place:
        environment = place.environment(REDIS_URL="", BENCH_APPS="cachalot")

    assert environment["DJANGO_SETTINGS_MODULE"] == "benchmarks.settings"
    assert str(place.folder) in environment["DATABASE_URL"]
    assert environment["CACHING_STAMPS_DIR"] == str(place.folder)
    assert (environment["REDIS_URL"], environment["BENCH_APPS"]) == ("", "cachalot")


def test_one_talks_with_a_process_by_lines():
    with Place() as place:
        process = place.python(["-c", ANSWERS], place.environment(REDIS_URL=""))
        for line in (b"one\n", b"two\n"):
            process.stdin.write(line)
            process.stdin.flush()
            assert process.stdout.readline() == line.upper()


def test_a_process_is_this_python_with_the_environment_it_is_given():
    with Place() as place:
        program = "import json, os, sys; print(json.dumps([sys.executable, os.environ['REDIS_URL']]))"
        process = place.python(["-c", program], place.environment(REDIS_URL="redis://nowhere"))
        assert json.loads(process.stdout.readline()) == [sys.executable, "redis://nowhere"]


def test_a_process_ends_with_the_block():
    with Place() as place:
        process = place.python(["-c", ANSWERS], place.environment(REDIS_URL=""))

    assert process.returncode is not None
    assert process.stdin.closed
    assert process.stdout.closed


def test_a_process_that_does_not_end_when_told_to_is_killed(monkeypatch):
    with Place() as place:
        process = place.python(["-c", DEAF], place.environment(REDIS_URL=""))
        assert process.stdout.readline() == b"up\n"
        # The same wait, without the ten seconds of patience.
        wait = process.wait
        monkeypatch.setattr(process, "wait", lambda timeout=None: wait(timeout and 0.01))

    assert process.returncode == -9
