"""What is logged of a refused request holds no phone number."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from caching.logs import logger as caching_logger
from restaurant.logs import JsonLines, WithoutPhoneNumbers


@pytest.mark.django_db
@pytest.mark.parametrize("number", ["+442079460000", "%2B442079460000", "020 7946 0000"])
def test_a_refused_request_for_a_customer_is_logged_without_the_number(client: Client, number: str) -> None:
    logging.config.dictConfig(settings.LOGGING)
    handler = next(each for each in logging.getLogger("django").handlers if each.name == "console")
    assert isinstance(handler, logging.StreamHandler)
    written = io.StringIO()
    stream = handler.setStream(written)
    try:
        client.get(f"/api/v1/orgs/curry/customers/{number}/balance/")
    finally:
        if stream is not None:
            handler.setStream(stream)
    assert "/customers/(number)" in written.getvalue().replace("%", "")
    assert "7946" not in written.getvalue()


def test_other_messages_are_left_alone() -> None:
    record = logging.LogRecord("name", logging.INFO, "path", 1, "Not Found: %s", ("/api/v1/orgs/curry/",), None)
    assert WithoutPhoneNumbers().filter(record)
    assert record.getMessage() == "Not Found: /api/v1/orgs/curry/"


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """Log as DJANGO_LOG_FORMAT=json has it; returns what was written, line by line."""
    handler = logging.StreamHandler(io.StringIO())
    handler.setFormatter(JsonLines())
    handler.addFilter(WithoutPhoneNumbers())
    root = logging.getLogger()
    root.addHandler(handler)
    yield lambda: [json.loads(line) for line in handler.stream.getvalue().splitlines()]
    root.removeHandler(handler)


def test_a_message_of_the_framework_is_an_object_with_its_fields(lines: Callable[[], list[dict[str, Any]]]) -> None:
    caching_logger.warning("No answer: %(why)s", {"why": "a\nb"}, extra={"event": "no_answer"})

    [line] = lines()
    assert datetime.fromisoformat(line.pop("timestamp")).tzinfo is not None
    assert line == {
        "level": "WARNING",
        "logger": "caching",
        "message": "No answer: a\\nb",
        "event": "no_answer",
        "why": "a\\nb",
    }


@pytest.mark.django_db
def test_a_refused_request_is_one_without_the_request(
    client: Client, lines: Callable[[], list[dict[str, Any]]]
) -> None:
    client.get("/api/v1/orgs/curry/customers/+442079460000/balance/?phone=+442079460000")

    [line] = lines()
    assert set(line) == {"timestamp", "level", "logger", "message", "status_code"}
    assert line["status_code"] == 401
    assert "7946" not in str(line)


def test_a_traceback_is_part_of_its_line(lines: Callable[[], list[dict[str, Any]]]) -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        logging.getLogger("django").exception("failed")

    [line] = lines()
    assert "ValueError: two\nlines" in line["exc_info"]


@pytest.mark.parametrize(("given", "formatter"), [(None, "plain"), ("plain", "plain"), ("json", "json")])
def test_the_environment_chooses_the_format(given: str | None, formatter: str) -> None:
    environment = {**os.environ, **({} if given is None else {"DJANGO_LOG_FORMAT": given})}
    chosen = subprocess.run(
        [sys.executable, "-c", "from restaurant import settings; print(settings.LOGGING['handlers']['console'])"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"'formatter': '{formatter}'" in chosen.stdout


def test_a_format_that_there_is_not_is_refused() -> None:
    refused = subprocess.run(
        [sys.executable, "-c", "from restaurant import settings"],
        env={**os.environ, "DJANGO_LOG_FORMAT": "xml"},
        capture_output=True,
        text=True,
    )
    assert "DJANGO_LOG_FORMAT is plain or json, not 'xml'." in refused.stderr
