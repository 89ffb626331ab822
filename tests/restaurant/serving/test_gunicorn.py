"""The server's settings are ones that gunicorn knows, and log no addresses."""

import sys

from gunicorn.config import Config

from restaurant.serving import gunicorn


def test_gunicorn_accepts_the_settings() -> None:
    config = Config()
    for name in (
        "preload_app", "worker_class", "threads", "reuse_port", "graceful_timeout", "keepalive", "errorlog", "loglevel",
    ):  # fmt: skip
        config.set(name, getattr(gunicorn, name))

    assert config.worker_class_str == "gthread"
    assert config.threads == 4


def test_on_linux_each_worker_has_a_socket_of_its_own_to_be_given_connections() -> None:
    assert gunicorn.reuse_port == (sys.platform == "linux")


def test_requests_are_not_logged_for_addresses_hold_phone_numbers() -> None:
    assert gunicorn.accesslog is None
