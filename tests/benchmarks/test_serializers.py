"""The plain data that serializers make is what the site sends."""

import json

from rest_framework.renderers import JSONRenderer

from benchmarks.serializers import BalanceSerializer, OrderSerializer, ProfileSerializer
from benchmarks.world import ORG, PHONES, order_ids
from billing.cached import customer_balance
from billing.selectors import customer_balances
from orders.cached import order
from orders.selectors import orders_get
from restaurant.profiles.cached import profile
from restaurant.profiles.selectors import profile_required


def rendered(serializer):
    return json.loads(JSONRenderer().render(serializer.data))


def test_of_a_profile(restaurant):
    assert rendered(ProfileSerializer(profile_required(org_id=ORG))) == json.loads(profile.entry(ORG).body)


def test_of_an_order(restaurant):
    newest = order_ids()[0]
    (row,) = orders_get(org_id=ORG, order_ids=[newest])

    assert rendered(OrderSerializer(row, context={"currency": "GBP"})) == json.loads(order.entry(ORG, newest).body)


def test_of_a_balance(restaurant):
    ((customer, balance),) = customer_balances(org_id=ORG, phones=[PHONES[0]])

    sent = json.loads(customer_balance.entry(ORG, PHONES[0]).body)
    assert rendered(BalanceSerializer({"customer": customer, "balance": balance})) == sent
