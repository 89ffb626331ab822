"""Orders of a file are written once, each whole or not at all."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError

from billing.importing.errors import BadRowsError, ImportFileError, Problem
from billing.importing.reader import FileContent
from billing.importing.writer import content_import
from billing.models import Bill, Payment
from billing.services.history import HistoricLine, HistoricOrder, _Rows
from orders.models import Order, OrderLine
from restaurant.profiles.models import BusinessProfile
from tests.factories import NOON, BusinessProfileFactory, OrderFactory

pytestmark = pytest.mark.django_db

NAAN = HistoricLine(item_name="Naan", quantity=2, unit_price=Decimal("2.95"))
ORDERS = (
    HistoricOrder(placed_at=NOON, lines=[NAAN], external_ref="late"),
    HistoricOrder(placed_at=NOON - timedelta(days=1), lines=[NAAN, NAAN], external_ref="early"),
)
CONTENT = FileContent(orders=ORDERS, bad_orders=0, line_count=3, subtotal=Decimal("17.70"), problems=())
BAD = replace(CONTENT, problems=(Problem("f.csv", 2, "bad"),), bad_orders=1)


def test_a_new_organisation_is_made_with_default_settings() -> None:
    result = content_import(org_id="new", content=CONTENT)

    assert result == (2, 0, True)
    assert BusinessProfile.objects.get().name == "new"
    assert list(Order.objects.order_by("number").values_list("external_ref", flat=True)) == ["early", "late"]


def test_numbers_continue_those_of_the_organisation() -> None:
    org = BusinessProfileFactory()
    content_import(org_id=org.pk, content=replace(CONTENT, orders=ORDERS[:1]))

    content_import(org_id=org.pk, content=CONTENT)

    assert dict(Order.objects.values_list("external_ref", "number")) == {"late": 1, "early": 2}


def test_what_was_imported_before_is_left_as_it_is() -> None:
    known = OrderFactory(external_ref="late", status="cancelled")

    result = content_import(org_id=known.org_id, content=CONTENT)

    assert result == (1, 1, False)
    assert Order.objects.get(external_ref="late").status == "cancelled"
    assert content_import(org_id=known.org_id, content=CONTENT) == (0, 2, False)
    assert Order.objects.count() == 2


def test_another_organisation_may_have_orders_of_the_same_number() -> None:
    content_import(org_id="one", content=CONTENT)

    assert content_import(org_id="two", content=CONTENT).imported == 2


def test_with_bad_rows_nothing_is_kept() -> None:
    with pytest.raises(BadRowsError):
        content_import(org_id="new", content=BAD)

    assert not BusinessProfile.objects.exists()
    assert not Order.objects.exists()


def test_bad_rows_may_be_passed_over() -> None:
    assert content_import(org_id="new", content=BAD, skip_bad=True).imported == 2


def test_without_any_usable_order_nothing_is_made() -> None:
    with pytest.raises(ImportFileError, match="no usable order"):
        content_import(org_id="new", content=replace(BAD, orders=()), skip_bad=True)

    assert not BusinessProfile.objects.exists()


def test_an_impossible_name_of_an_organisation_is_refused() -> None:
    with pytest.raises(ValidationError, match="org_id"):
        content_import(org_id="no slug", content=CONTENT)


@pytest.mark.django_db(transaction=True)
def test_an_error_half_way_leaves_whole_orders_and_the_next_import_writes_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("billing.importing.writer._AT_ONCE", 1)
    write = _Rows.write

    def fail_at_the_second(rows: _Rows, using: str | None) -> None:
        write(rows, using)
        if Payment.objects.count() == 2:
            raise RuntimeError("the power fails")

    with monkeypatch.context() as failing:
        failing.setattr(_Rows, "write", fail_at_the_second)
        with pytest.raises(RuntimeError, match="the power fails"):
            content_import(org_id="new", content=CONTENT)

    assert [Order.objects.get().external_ref] == ["early"]
    assert (OrderLine.objects.count(), Bill.objects.count(), Payment.objects.count()) == (2, 1, 1)
    assert content_import(org_id="new", content=CONTENT) == (1, 1, False)
    assert list(Order.objects.order_by("number").values_list("number", "external_ref")) == [(1, "early"), (2, "late")]
