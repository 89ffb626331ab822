"""The scratch organisation is like the true one, made anew each time, and never a true one itself."""

import pytest

from orders.models import MenuItem, Order
from restaurant.profiles.models import BusinessProfile
from restaurant.replay.scratch import NotScratchError, scratch_make, scratch_org_id
from restaurant.replay.script import script_write
from tests.factories import BusinessProfileFactory, OrderFactory
from tests.restaurant.replay.days import DAY, day_make

pytestmark = pytest.mark.django_db


def test_the_name_says_what_it_is_and_is_never_too_long() -> None:
    assert scratch_org_id("london") == "london-replay"
    assert scratch_org_id("x" * 64) == "x" * 57 + "-replay"


def test_it_has_the_settings_of_the_true_one_and_offers_what_was_ordered() -> None:
    org = day_make()

    scratch_make(org_id=org.pk, script=script_write(org_id=org.pk, day=DAY))

    scratch = BusinessProfile.objects.get(pk="true-one-replay")
    assert (scratch.currency, scratch.tax_rate, scratch.phone) == (org.currency, org.tax_rate, org.phone)
    assert scratch.accepts_delivery
    assert scratch.accepts_table_service


def test_its_menu_has_every_dish_at_every_price_it_was_sold_at() -> None:
    org = day_make(2)

    menu = scratch_make(org_id=org.pk, script=script_write(org_id=org.pk, day=DAY))

    items = MenuItem.objects.filter(org="true-one-replay")
    assert {(item.name, item.price): item.pk for item in items} == {tuple(dish): pk for dish, pk in menu.items()}
    assert len(menu) == 4


def test_what_is_left_of_the_last_replay_is_removed() -> None:
    org = day_make()
    script = script_write(org_id=org.pk, day=DAY)
    scratch_make(org_id=org.pk, script=script)
    OrderFactory(org_id="true-one-replay", lines=1)

    scratch_make(org_id=org.pk, script=script)

    assert not Order.objects.filter(org="true-one-replay").exists()
    assert Order.objects.filter(org=org).count() == 3


def test_a_true_organisation_of_that_name_is_never_removed() -> None:
    org = day_make()
    BusinessProfileFactory(org_id="true-one-replay")

    with pytest.raises(NotScratchError, match="an organisation of its own"):
        scratch_make(org_id=org.pk, script=script_write(org_id=org.pk, day=DAY))

    assert BusinessProfile.objects.filter(pk="true-one-replay").exists()
