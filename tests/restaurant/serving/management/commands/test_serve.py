"""Serving a fresh site, step by step and then for real."""

import http.client
import io
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from orders.models import Order
from restaurant.profiles.models import BusinessProfile, User
from restaurant.serving.management.commands import serve
from tests.factories import BusinessProfileFactory

ROOT = Path(__file__).resolve().parents[5]
START_SECONDS = 120


class Executed(Exception):
    """Stands for the server that takes the place of the process."""


@pytest.fixture
def executed(monkeypatch: pytest.MonkeyPatch, settings: Settings, tmp_path: Path) -> list[Any]:
    """Note the call that would replace this process; a connection it would close is the test's."""
    calls: list[Any] = []
    settings.VAR_DIR = tmp_path
    settings.STATIC_ROOT = tmp_path / "static"
    monkeypatch.setattr("restaurant.demo.services.ORDERS_EACH", 20)
    monkeypatch.setattr(serve.os, "execve", lambda *args: calls.append(args))
    monkeypatch.setattr(serve.connections, "close_all", lambda: None)
    return calls


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def run(*args: str) -> str:
    out = io.StringIO()
    call_command("serve", *args, stdout=out)
    return out.getvalue()


@pytest.mark.django_db
def test_an_empty_site_is_filled_and_handed_to_the_server_with_a_login(executed: list[Any]) -> None:
    port = free_port()

    out = run("--port", str(port), "--workers", "3")

    assert Order.objects.count() == 60
    password = out.split("Sign in as admin with the password ")[1].split()[0]
    assert User.objects.get(username="admin").check_password(password)
    assert f"http://127.0.0.1:{port}/admin/" in out
    ((_, command, environment),) = executed
    assert command[-5:] == ["--bind", f"127.0.0.1:{port}", "--workers", "3", "restaurant.wsgi"]
    assert environment["CACHING_WARM_AT_START"] == "true"


@pytest.mark.django_db
def test_a_site_in_use_is_served_as_it_is(executed: list[Any]) -> None:
    BusinessProfileFactory()
    run("--port", str(free_port()))
    user = User.objects.get(username="admin")
    user.set_password("chosen")
    user.save()

    out = run("--port", str(free_port()))

    assert not Order.objects.exists()
    assert "the password you chose (forgotten? manage.py changepassword admin)" in out
    assert len(executed) == 2


@pytest.mark.django_db(transaction=True)
def test_with_redis_the_cache_is_warmed_before_the_site_is_served(
    executed: list[Any], redis: Any, settings: Settings
) -> None:
    settings.REDIS_URL = "redis://configured"
    BusinessProfileFactory()

    out = run("--port", str(free_port()))

    assert "profile: 1" in out
    assert redis.dbsize() > 0


@pytest.mark.parametrize("port", ["", "http", "0", "65536", "-1"])
def test_what_is_no_port_is_refused(port: str) -> None:
    with pytest.raises(CommandError, match="is no port; choose one from 1 to 65535"):
        run(f"--port={port}")


@pytest.mark.parametrize("workers", ["0", "-1"])
def test_a_server_without_workers_is_refused(executed: list[Any], workers: str) -> None:
    with pytest.raises(CommandError, match="--workers must be at least 1"):
        run("--port", str(free_port()), f"--workers={workers}")
    assert executed == []


def test_a_port_in_use_is_refused_with_the_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommandError, match=rf"Port {port} cannot be used \(Address already in use\).*PORT=8001"):
            run("--port", str(port))


@pytest.mark.django_db
def test_ctrl_c_while_preparing_ends_without_a_traceback(executed: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(serve, "call_command", interrupt)

    with pytest.raises(CommandError, match="Stopped before the site was served") as raised:
        run("--port", str(free_port()))

    assert raised.value.returncode == 130
    assert executed == []


def answered(port: int, path: str, process: subprocess.Popen[bytes]) -> bytes:
    """Return what the site sends, waiting until it is served; fails when its process ends."""
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, "the server ended"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
        with suppress(OSError, http.client.HTTPException):
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
            assert response.status == 200
            connection.close()
            return body
        connection.close()
    raise AssertionError("the site did not answer in time")


def test_a_real_server_serves_pages_and_static_files_until_ctrl_c(tmp_path: Path) -> None:
    port = free_port()
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "restaurant.settings",
        "DJANGO_VAR_DIR": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'db.sqlite3'}",
        "REDIS_URL": "",
        "PORT": str(port),
    }
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "serve"], cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        assert b"Log in" in answered(port, "/admin/login/", process)
        assert b"font" in answered(port, "/static/admin/css/base.css", process)
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=START_SECONDS)
    finally:
        process.kill()
        process.wait()
    said = (tmp_path / "out").read_text()

    assert code == 0
    assert "Sign in as admin with the password" in said
    assert "Traceback" not in said
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.mark.django_db
def test_a_redis_that_does_not_answer_is_said_before_anything_is_done(executed: list[Any], settings: Settings) -> None:
    settings.CACHES = {
        **settings.CACHES,
        "redis": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": f"redis://127.0.0.1:{free_port()}/0"},
    }
    settings.CACHING = {**settings.CACHING, "REDIS_ALIAS": "redis"}

    with pytest.raises(CommandError, match="unset REDIS_URL to serve without"):
        run("--port", str(free_port()))

    assert executed == []
    assert not BusinessProfile.objects.exists()
