"""Orders are placed, changed and moved on completely or not at all."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import ValidationError

from orders.exceptions import (
    DiscountError,
    IdempotencyConflictError,
    IllegalMoveError,
    ItemUnavailableError,
    OrderClosedError,
    OrderNotFoundError,
    ServiceRefusedError,
)
from orders.models import Order, OrderLine
from orders.services import (
    UPDATABLE,
    LineDraft,
    order_change_status,
    order_create,
    order_mark_paid,
    order_numbers_take,
    order_update,
)
from orders.statuses import MOVES, Status, moves_by_hand
from restaurant.profiles.exceptions import ProfileNotFoundError
from restaurant.profiles.models import BusinessProfile
from tests.factories import NOON, BusinessProfileFactory, MenuItemFactory, OrderFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def profile() -> BusinessProfile:
    return BusinessProfileFactory()


def _place(profile: BusinessProfile, **changes: Any) -> tuple[Order, bool]:
    lines = changes.pop("lines", None) or [LineDraft(MenuItemFactory(org=profile).pk)]
    return order_create(**{"org_id": profile.org_id, "lines": lines, "service": "takeaway"} | changes)


class TestPlacing:
    def test_a_new_order_holds_what_was_ordered_at_todays_prices(self, profile: BusinessProfile) -> None:
        item = MenuItemFactory(org=profile, name="Soup", price=Decimal("4.50"))
        order, is_new = _place(profile, lines=[LineDraft(item.pk, 2, ("no onions",)), LineDraft(item.pk)])
        item.price = Decimal("9.99")
        item.save()
        stored = Order.objects.get(pk=order.pk)
        assert is_new
        assert (stored.number, stored.status, stored.discount) == (1, Status.PENDING, 0)
        assert [
            (line.item_name, line.quantity, line.options, line.unit_price, line.org_id) for line in stored.lines.all()
        ] == [
            ("Soup", 2, ["no onions"], Decimal("4.500"), profile.org_id),
            ("Soup", 1, [], Decimal("4.500"), profile.org_id),
        ]

    def test_numbers_count_up_in_each_organisation(self, profile: BusinessProfile) -> None:
        other = BusinessProfileFactory()
        assert [_place(org)[0].number for org in (profile, other, profile)] == [1, 1, 2]

    def test_the_business_day_is_that_of_the_restaurant(self) -> None:
        order, _ = _place(
            BusinessProfileFactory(time_zone="Asia/Karachi"), placed_at=datetime(2026, 3, 14, 20, tzinfo=UTC)
        )
        assert order.placed_on == date(2026, 3, 15)

    def test_a_local_phone_number_is_kept_in_international_form(self, profile: BusinessProfile) -> None:
        assert _place(profile, customer_phone="020 7946 0018")[0].customer_phone == "+442079460018"

    def test_a_request_repeated_with_its_key_returns_the_first_order(self, profile: BusinessProfile) -> None:
        lines = [LineDraft(MenuItemFactory(org=profile).pk)]
        first, _ = _place(profile, lines=lines, idempotency_key="k", discount=Decimal("1.00"))
        again, is_new = _place(profile, lines=lines, idempotency_key="k", discount=Decimal(1))
        assert (again, is_new) == (first, False)
        assert Order.objects.count() == 1
        assert _place(profile)[0].number == 2

    def test_a_key_is_not_taken_by_another_organisation(self, profile: BusinessProfile) -> None:
        _place(profile, idempotency_key="k")
        assert _place(BusinessProfileFactory(), idempotency_key="k")[1]

    def test_a_key_used_for_another_request_is_a_conflict(self, profile: BusinessProfile) -> None:
        lines = [LineDraft(MenuItemFactory(org=profile).pk)]
        _place(profile, lines=lines, idempotency_key="k")
        with pytest.raises(IdempotencyConflictError, match="different request"):
            _place(profile, lines=lines, idempotency_key="k", notes="hurry")
        assert Order.objects.count() == 1

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"service": "drone"}, "service"),
            ({"service": "table"}, "table"),
            ({"service": "delivery"}, "delivery_address"),
            ({"customer_phone": "call me"}, "customer_phone"),
            ({"discount": Decimal("0.001")}, "discount"),
            ({"discount": "some"}, "discount"),
            ({"idempotency_key": ""}, "idempotency_key"),
            ({"table": "x" * 33}, "table"),
        ],
    )
    def test_a_field_that_cannot_be_is_refused_by_name(
        self, profile: BusinessProfile, changes: dict[str, Any], field: str
    ) -> None:
        with pytest.raises(ValidationError) as refusal:
            _place(profile, **changes)
        assert field in refusal.value.message_dict
        assert not Order.objects.exists()

    def test_an_order_needs_a_line(self, profile: BusinessProfile) -> None:
        with pytest.raises(ValidationError, match="at least one line"):
            order_create(org_id=profile.org_id, lines=[], service="takeaway")

    @pytest.mark.parametrize("quantity", [0, -1, 10_001])
    def test_a_quantity_out_of_bounds_is_refused(self, profile: BusinessProfile, quantity: int) -> None:
        with pytest.raises(ValidationError, match="between 1 and 10000"):
            _place(profile, lines=[LineDraft(MenuItemFactory(org=profile).pk, quantity)])

    def test_an_order_too_large_to_bill_is_refused(self, profile: BusinessProfile) -> None:
        item = MenuItemFactory(org=profile, price=Decimal("900000.00"))
        with pytest.raises(ValidationError, match="more than can be billed"):
            _place(profile, lines=[LineDraft(item.pk, 10_000)])

    def test_a_dish_of_another_restaurant_is_not_on_the_menu(self, profile: BusinessProfile) -> None:
        with pytest.raises(ItemUnavailableError, match="no dish"):
            _place(profile, lines=[LineDraft(MenuItemFactory().pk)])

    def test_a_dish_that_is_sold_out_is_named(self, profile: BusinessProfile) -> None:
        item = MenuItemFactory(org=profile, name="Soup", is_available=False)
        with pytest.raises(ItemUnavailableError, match="Soup is not available"):
            _place(profile, lines=[LineDraft(item.pk)])

    def test_a_discount_greater_than_the_subtotal_is_refused(self, profile: BusinessProfile) -> None:
        with pytest.raises(DiscountError):
            _place(profile, discount=Decimal("10.01"))
        assert not Order.objects.exists()

    @pytest.mark.parametrize(
        ("setting", "details"),
        [
            ("accepts_delivery", {"service": "delivery", "delivery_address": "1 Street"}),
            ("accepts_table_service", {"service": "table", "table": "4"}),
        ],
    )
    def test_a_way_of_serving_that_is_not_offered_is_refused(self, setting: str, details: dict[str, str]) -> None:
        with pytest.raises(ServiceRefusedError, match=f"does not offer {details['service']}"):
            _place(BusinessProfileFactory(**{setting: False}), **details)
        assert _place(BusinessProfileFactory(), **details)[1]

    def test_an_unknown_organisation_takes_no_orders(self) -> None:
        with pytest.raises(ProfileNotFoundError):
            order_create(org_id="nowhere", lines=[LineDraft(uuid4())], service="takeaway")


class TestChanging:
    def test_named_fields_change_and_the_version_with_them(self, profile: BusinessProfile) -> None:
        order, _ = _place(profile)
        order_update(
            org_id=profile.org_id,
            order_id=order.pk,
            changes={"notes": "hurry", "discount": "2.50", "customer_phone": "020 7946 0018"},
        )
        stored = Order.objects.get(pk=order.pk)
        assert (stored.notes, stored.discount, stored.customer_phone) == ("hurry", Decimal("2.5"), "+442079460018")
        assert stored.version != order.version

    def test_lines_are_added_after_those_there_are(self, profile: BusinessProfile) -> None:
        order, _ = _place(profile)
        tea = MenuItemFactory(org=profile, name="Tea")
        order_update(org_id=profile.org_id, order_id=order.pk, lines_added=[LineDraft(tea.pk, 2)])
        assert [line.position for line in order.lines.all()] == [0, 1]
        assert order.lines.last().item_name == "Tea"
        assert Order.objects.get(pk=order.pk).version != order.version

    def test_lines_are_replaced(self, profile: BusinessProfile) -> None:
        order, _ = _place(profile)
        tea = MenuItemFactory(org=profile, name="Tea")
        order_update(org_id=profile.org_id, order_id=order.pk, lines=[LineDraft(tea.pk)])
        assert [line.item_name for line in OrderLine.objects.all()] == ["Tea"]

    def test_the_last_line_cannot_be_removed(self, profile: BusinessProfile) -> None:
        order, _ = _place(profile)
        with pytest.raises(ValidationError, match="at least one line"):
            order_update(org_id=profile.org_id, order_id=order.pk, lines=[])
        assert order.lines.count() == 1

    def test_an_unknown_field_is_refused_with_the_allowed_ones(self, profile: BusinessProfile) -> None:
        order, _ = _place(profile)
        with pytest.raises(ValidationError) as refusal:
            order_update(org_id=profile.org_id, order_id=order.pk, changes={"status": "paid"})
        assert all(name in refusal.value.message_dict["status"][0] for name in UPDATABLE)

    def test_a_discount_must_fit_the_lines_that_are_left(self, profile: BusinessProfile) -> None:
        order, _ = _place(profile, discount=Decimal("10.00"))
        tea = MenuItemFactory(org=profile, price=Decimal("1.00"))
        with pytest.raises(DiscountError):
            order_update(org_id=profile.org_id, order_id=order.pk, lines=[LineDraft(tea.pk)])
        assert order.lines.get().unit_price == 10

    @pytest.mark.parametrize("status", [Status.PAID, Status.CANCELLED])
    def test_a_finished_order_cannot_be_changed(self, status: Status) -> None:
        order = OrderFactory(status=status, lines=1)
        with pytest.raises(OrderClosedError, match=f"is {status}"):
            order_update(org_id=order.org_id, order_id=order.pk, changes={"notes": "late"})

    @pytest.mark.parametrize(
        "change",
        [
            {"changes": {"discount": 1}},
            {"changes": {"customer_phone": ""}},
            {"lines": []},
            {"lines_added": [LineDraft(uuid4())]},
        ],
    )
    def test_what_the_bill_fixed_cannot_be_changed(self, change: dict[str, Any]) -> None:
        order = OrderFactory(status=Status.SERVED, billed_at=NOON, lines=1)
        with pytest.raises(OrderClosedError, match="is billed"):
            order_update(org_id=order.org_id, order_id=order.pk, **change)

    def test_notes_of_a_billed_order_can_still_be_changed(self) -> None:
        order = OrderFactory(status=Status.SERVED, billed_at=NOON, lines=1)
        assert order_update(org_id=order.org_id, order_id=order.pk, changes={"notes": "tip!"}).notes == "tip!"

    def test_an_order_of_another_organisation_is_not_found(self, profile: BusinessProfile) -> None:
        with pytest.raises(OrderNotFoundError):
            order_update(org_id=profile.org_id, order_id=OrderFactory(lines=1).pk, changes={"notes": "mine"})


class TestMoving:
    @pytest.mark.parametrize(
        ("status", "wanted"), [(status, move) for status in MOVES for move in moves_by_hand(status)]
    )
    def test_every_move_of_the_table_is_possible(self, status: Status, wanted: Status) -> None:
        order = OrderFactory(status=status)
        assert order_change_status(org_id=order.org_id, order_id=order.pk, status=wanted).status == wanted
        assert Order.objects.get(pk=order.pk).status == wanted

    @pytest.mark.parametrize(
        ("status", "wanted"),
        [(status, wanted) for status in Status for wanted in Status if wanted not in moves_by_hand(status)],
    )
    def test_an_illegal_move_is_refused_with_the_allowed_ones(self, status: Status, wanted: Status) -> None:
        order = OrderFactory(status=status)
        with pytest.raises(IllegalMoveError) as refusal:
            order_change_status(org_id=order.org_id, order_id=order.pk, status=wanted)
        assert refusal.value.allowed == tuple(move.value for move in moves_by_hand(status))
        assert all(move in str(refusal.value) for move in refusal.value.allowed)
        assert Order.objects.get(pk=order.pk).status == status

    def test_paid_is_refused_with_the_way_to_it(self) -> None:
        order = OrderFactory(status=Status.SERVED)
        with pytest.raises(IllegalMoveError, match="becomes paid by paying it"):
            order_change_status(org_id=order.org_id, order_id=order.pk, status="paid")

    def test_a_billed_order_cannot_be_cancelled(self) -> None:
        order = OrderFactory(status=Status.READY, billed_at=NOON)
        with pytest.raises(IllegalMoveError) as refusal:
            order_change_status(org_id=order.org_id, order_id=order.pk, status="cancelled")
        assert refusal.value.allowed == ("served",)

    def test_a_word_that_is_no_status_is_refused_with_those_that_are(self) -> None:
        order = OrderFactory()
        with pytest.raises(ValidationError, match="pending, confirmed"):
            order_change_status(org_id=order.org_id, order_id=order.pk, status="eaten")

    def test_an_unknown_order_cannot_be_moved(self, profile: BusinessProfile) -> None:
        with pytest.raises(OrderNotFoundError):
            order_change_status(org_id=profile.org_id, order_id=uuid4(), status="confirmed")

    def test_billing_cannot_mark_an_order_paid_that_was_never_ready(self) -> None:
        order = OrderFactory(status=Status.PENDING)
        with pytest.raises(IllegalMoveError):
            order_mark_paid(order=order)


def test_several_numbers_are_reserved_at_once(profile: BusinessProfile) -> None:
    assert order_numbers_take(org_id=profile.org_id, count=10) == 1
    assert order_numbers_take(org_id=profile.org_id, count=1) == 11
