"""Lists of the admin join nothing, rows come from the primary, and nonsense in addresses and forms is no error."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection
from django.db.models import Model
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django.fixtures import Settings
from rest_framework.authtoken.models import Token, TokenProxy

from caching.models import CacheEvent, CacheRegion
from caching.rows_admin import RowsAdmin
from orders.models import Order
from restaurant.profiles.models import BusinessProfile, User
from tests.factories import (
    LedgerEntryFactory,
    MembershipFactory,
    MenuItemFactory,
    OrderFactory,
    OrderSequenceFactory,
    PaymentFactory,
    UserFactory,
)
from tests.replicas import Replica, ReplicaRouter, replica_opened

pytestmark = pytest.mark.django_db

PAGES = [page for model, page in admin.site._registry.items() if model is not CacheRegion]
every_page = pytest.mark.parametrize("page", PAGES, ids=[page.opts.label_lower for page in PAGES])

HUGE = "9" * 31
#: As they stand in addresses: text, numbers no column holds, half of a surrogate pair, something long, another key.
NONSENSE = ["x", "-1", HUGE, "%ED%A0%80", "_2F", "a" * 3000, "5bfa1c0e4b0c4b0c4b0c4b0c"]
NO_TIMES = ["x", HUGE, "9999-12-31T23:59:59-14:00"]
ITEMS_MUST_BE_SELECTED = "Items must be selected in order to perform actions on them. No items have been changed."


@pytest.fixture
def operator() -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(UserFactory(is_staff=True, is_superuser=True, username="boss"))
    return client


def list_of(model: type[Model] | Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def rows(count: int) -> None:
    for number in range(count):
        PaymentFactory()
        LedgerEntryFactory(order=OrderFactory(lines=1))
        OrderSequenceFactory(org=MenuItemFactory().org)
        member = MembershipFactory().user
        Token.objects.create(user=member)
        Group.objects.create(name=f"group {number} of {count}")
        CacheEvent.objects.create(action="clear", user=member)


@every_page
def test_all_pages_of_rows_answer_alike(page: admin.ModelAdmin) -> None:
    assert isinstance(page, RowsAdmin)


@pytest.mark.parametrize("page", [page for page in PAGES if page.model is not TokenProxy], ids=str)
def test_a_list_costs_the_same_however_long_and_joins_nothing(operator: Client, page: admin.ModelAdmin) -> None:
    rows(1)
    with CaptureQueriesContext(connection) as few:
        operator.get(list_of(page.model))
    rows(3)

    with CaptureQueriesContext(connection) as asked:
        assert operator.get(list_of(page.model)).status_code == 200

    assert len(asked) == len(few)
    assert [query["sql"] for query in asked if " JOIN " in query["sql"] or "$lookup" in query["sql"]] == []


def test_a_list_is_sorted_by_what_is_of_its_own_table(operator: Client) -> None:
    late, early = (OrderFactory(org__org_id=org) for org in ("zinc", "agave"))

    with CaptureQueriesContext(connection) as asked:
        found = operator.get(list_of(Order), {"o": "2"}).context["cl"].result_list

    assert list(found) == [early, late]
    assert [query["sql"] for query in asked if " JOIN " in query["sql"] or "$lookup" in query["sql"]] == []


def test_what_only_another_table_could_sort_has_no_button(operator: Client) -> None:
    LedgerEntryFactory()
    page = operator.get("/admin/billing/ledgerentry/", {"o": "2"})

    assert page.status_code == 200
    assert set(page.context["cl"].sortable_by) == {"created_at", "kind", "amount", "org"}
    assert "customer" not in str(page.context["cl"].queryset.query.order_by)


@every_page
def test_an_address_that_names_no_row_is_answered(operator: Client, page: admin.ModelAdmin) -> None:
    rows(1)
    url = list_of(page.model)
    tails = ("change/", "delete/", "history/", "password/")

    answers = {f"{each}/{tail}": operator.get(f"{url}{each}/{tail}").status_code for each in NONSENSE for tail in tails}
    answers |= {each: operator.post(f"{url}{each}/change/").status_code for each in NONSENSE}

    assert {where: status for where, status in answers.items() if status not in (302, 403, 404)} == {}


@every_page
def test_a_query_that_makes_no_sense_is_answered(operator: Client, page: admin.ModelAdmin) -> None:
    rows(1)
    queries = [f"{name}={each}" for name in ("p", "q") for each in NONSENSE]
    queries += [f"{name}={each}" for name in ("o", "all", "nope", "_to_field") for each in ("x", HUGE)]
    columns = [each if isinstance(each, str) else each[0] for each in page.list_filter]
    for column in {*columns, page.date_hierarchy} - {None}:
        kinds = ("__exact", "__year", "__gte", "__org_id__exact")
        queries += [f"{column}{kind}={each}" for kind in kinds for each in NO_TIMES]
        queries += [f"{column}__year={year}&{column}__month=13&{column}__day=1" for year in ("2026", "0")]

    answers = {query: operator.get(f"{list_of(page.model)}?{query}").status_code for query in queries}

    assert {query: status for query, status in answers.items() if status not in (200, 302, 400)} == {}


def test_a_year_that_no_time_has_is_left_out_as_other_wrong_values(operator: Client) -> None:
    LedgerEntryFactory()
    url = "/admin/billing/ledgerentry/"

    assert operator.get(f"{url}?created_at__year={HUGE}").headers["Location"] == f"{url}?e=1"
    # The calendar of PostgreSQL goes on when Python's has ended.
    last = operator.get(f"{url}?created_at__gte=9999-12-31T23:59:59-14:00")
    assert last.status_code == 200 or last.headers["Location"] == f"{url}?e=1"


@pytest.mark.parametrize("model", [BusinessProfile, Order, User, Group], ids=str)
@pytest.mark.parametrize("nonsense", ["x\x00", "\x00", HUGE + "x", ""])
def test_what_names_no_row_is_not_selected(operator: Client, model: type[Model], nonsense: str) -> None:
    rows(1)
    page = admin.site.get_model_admin(model)
    for action in {*page.actions, "delete_selected", "nope"}:
        data = {"action": action, "_selected_action": [nonsense], "index": 0}
        answer = operator.post(list_of(model), data, follow=True)
        assert answer.status_code == 200, action
        if model is not BusinessProfile:
            assert ITEMS_MUST_BE_SELECTED in [str(each) for each in answer.context["messages"]], action


def test_a_number_that_no_row_can_have_is_not_selected(operator: Client) -> None:
    Group.objects.create(name="kept")
    data = {"action": "delete_selected", "_selected_action": [HUGE], "index": 0, "post": "yes"}

    answer = operator.post(list_of(Group), data, follow=True)

    assert [str(each) for each in answer.context["messages"]] == [ITEMS_MUST_BE_SELECTED]


def test_rows_selected_beside_nonsense_stay_selected(operator: Client) -> None:
    chosen = OrderFactory()
    data = {"action": "clear_cached_copies", "_selected_action": ["x", str(chosen.pk)], "index": 0}

    answer = operator.post(list_of(Order), data, follow=True)

    assert [str(each) for each in answer.context["messages"]] == ["Cleared the cached copies of 1 order."]


@pytest.fixture
def replica(tmp_path: Path, settings: Settings, operator: Client) -> Iterator[Replica]:
    """A replica that knows the operator, and nothing that is written later."""
    with replica_opened(tmp_path / "replica.sqlite3") as opened:
        UserFactory(username="ann", password="old")
        opened.catch_up()
        settings.DATABASE_ROUTERS = [ReplicaRouter()]
        yield opened


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("replica")
def test_a_page_that_is_saved_writes_back_nothing_old_of_a_replica(operator: Client) -> None:
    ann = User.objects.using("default").get(username="ann")
    ann.set_password("new")
    ann.first_name = "Ann"
    ann.save(using="default")
    url = reverse("admin:profiles_user_change", args=[ann.pk])

    form = operator.get(url).context["adminform"].form
    assert form.initial["first_name"] == "Ann"
    data = {"username": "ann", "email": "ann@example.com", "date_joined_0": "2026-01-01", "date_joined_1": "12:00"}
    assert operator.post(url, data).status_code == 302

    ann = User.objects.using("default").get(username="ann")
    assert ann.email == "ann@example.com"
    assert ann.check_password("new"), "the replica's password is the old one"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("replica")
def test_a_row_that_a_replica_does_not_know_can_be_opened_and_deleted(operator: Client) -> None:
    bob = UserFactory(username="bob")

    assert operator.get(reverse("admin:profiles_user_change", args=[bob.pk])).status_code == 200
    assert operator.get(reverse("admin:profiles_user_delete", args=[bob.pk])).status_code == 200
    assert operator.get(reverse("admin:auth_user_password_change", args=[bob.pk])).status_code == 200
