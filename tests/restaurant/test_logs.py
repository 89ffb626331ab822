"""What is logged of a refused request holds no phone number."""

from __future__ import annotations

import io
import logging
import logging.config

import pytest
from django.conf import settings
from django.test import Client

from restaurant.logs import WithoutPhoneNumbers


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
