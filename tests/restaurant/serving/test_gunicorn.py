"""The server's settings are ones that gunicorn knows, and log no addresses."""

from gunicorn.config import Config

from restaurant.serving import gunicorn


def test_gunicorn_accepts_the_settings() -> None:
    config = Config()
    for name in ("preload_app", "worker_class", "threads", "graceful_timeout", "keepalive", "errorlog", "loglevel"):
        config.set(name, getattr(gunicorn, name))

    assert config.worker_class_str == "gthread"
    assert config.threads == 4


def test_requests_are_not_logged_for_addresses_hold_phone_numbers() -> None:
    assert gunicorn.accesslog is None
