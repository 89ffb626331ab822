"""Demo data as an operator loads it."""

import io

import pytest
from django.core.management import CommandError, call_command

from orders.models import Order
from tests.factories import BusinessProfileFactory

pytestmark = pytest.mark.django_db


def test_an_empty_database_is_filled_and_logins_are_shown() -> None:
    out = io.StringIO()

    call_command("load_demo", stdout=out)

    assert Order.objects.count() == 600
    assert "Loaded demo-spice-garden: 200 orders" in out.getvalue()
    for name in ("demo-owner", "demo-manager", "demo-staff", "demo-kitchen"):
        assert name in out.getvalue()


def test_a_database_in_use_is_left_alone_unless_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("restaurant.demo.services.ORDERS_EACH", 20)
    BusinessProfileFactory()

    with pytest.raises(CommandError, match="has organisations already; --force"):
        call_command("load_demo", stdout=io.StringIO())
    assert not Order.objects.exists()

    call_command("load_demo", "--force", stdout=io.StringIO())
    assert Order.objects.count() == 60
