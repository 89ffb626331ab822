"""Totals are exact, rounded once, and their parts always add up."""

from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.exceptions import DiscountError
from orders.pricing import BillTotal, TaxRule, bill_total
from restaurant.money import currency_exponent, money_quantize
from tests.factories import BusinessProfileFactory


class Line(NamedTuple):
    quantity: int
    unit_price: Decimal


def _rule(rate: str = "17", on: str = "subtotal", *, included: bool = False, currency: str = "GBP") -> TaxRule:
    return TaxRule(currency, Decimal(rate), on, included)


def _total(amount: str, discount: str, rule: TaxRule) -> tuple[str, ...]:
    parts = bill_total(lines=[Line(1, Decimal(amount))], discount=Decimal(discount), rule=rule)
    return tuple(str(part) for part in parts)


def test_the_case_of_the_specification_comes_out_exactly() -> None:
    assert bill_total(
        lines=[Line(4, Decimal("200.00")), Line(2, Decimal("100.00"))], discount=Decimal("50.00"), rule=_rule("17")
    ) == BillTotal(Decimal("1000.00"), Decimal("50.00"), Decimal("170.00"), Decimal("1120.00"))


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (_rule("20", "subtotal"), ("100.00", "10.00", "20.00", "110.00")),
        (_rule("20", "discounted"), ("100.00", "10.00", "18.00", "108.00")),
        (_rule("20", "subtotal", included=True), ("100.00", "10.00", "16.67", "90.00")),
        (_rule("20", "discounted", included=True), ("100.00", "10.00", "15.00", "90.00")),
        (_rule("0"), ("100.00", "10.00", "0.00", "90.00")),
    ],
)
def test_each_tax_rule_taxes_what_it_says(rule: TaxRule, expected: tuple[str, ...]) -> None:
    assert _total("100.00", "10.00", rule) == expected


def test_amounts_have_the_places_of_the_currency() -> None:
    assert _total("1000", "0", _rule("8.25", currency="JPY")) == ("1000", "0", "83", "1083")
    assert _total("1.005", "0", _rule("10", currency="KWD")) == ("1.005", "0.000", "0.101", "1.106")


def test_an_order_of_nothing_costs_nothing() -> None:
    assert bill_total(lines=[], discount=Decimal(0), rule=_rule()) == BillTotal(*[Decimal("0.00")] * 4)


@pytest.mark.parametrize("discount", ["100.01", "-0.01"])
def test_a_discount_outside_the_subtotal_is_refused(discount: str) -> None:
    with pytest.raises(DiscountError, match=r"between 0 and the subtotal, 100\.00"):
        _total("100.00", discount, _rule())


def test_the_rule_is_that_of_the_profile() -> None:
    profile = BusinessProfileFactory.build(
        currency="JPY", tax_rate=Decimal("8.25"), tax_on="discounted", prices_include_tax=True
    )
    assert TaxRule.of(profile) == _rule("8.25", "discounted", included=True, currency="JPY")


_lines = st.lists(
    st.builds(Line, st.integers(1, 99), st.decimals(0, 9999, places=3)),
    min_size=1,
    max_size=12,
)
_rules = st.builds(
    TaxRule,
    st.sampled_from(["GBP", "JPY", "KWD"]),
    st.decimals(0, 100, places=2),
    st.sampled_from(["subtotal", "discounted"]),
    st.booleans(),
)


@given(_lines, _rules, st.decimals(0, 1, places=4))
def test_parts_always_add_up_to_the_total(lines: list[Line], rule: TaxRule, share: Decimal) -> None:
    exact_subtotal = sum((line.quantity * line.unit_price for line in lines), Decimal(0))
    subtotal = money_quantize(exact_subtotal, rule.currency)
    discount = min(money_quantize(subtotal * share, rule.currency), subtotal)
    parts = bill_total(lines=lines, discount=discount, rule=rule)
    due = parts.subtotal - parts.discount
    assert parts.total == (due if rule.prices_include_tax else due + parts.tax)
    assert (parts.subtotal, parts.discount) == (subtotal, discount)
    assert 0 <= parts.tax <= subtotal
    assert all(-part.as_tuple().exponent == currency_exponent(rule.currency) for part in parts)


@given(_lines, _rules)
def test_the_tax_is_never_half_a_unit_off(lines: list[Line], rule: TaxRule) -> None:
    parts = bill_total(lines=lines, discount=Decimal(0), rule=rule)
    base = parts.subtotal
    exact = base * rule.rate / (100 + rule.rate) if rule.prices_include_tax else base * rule.rate / 100
    assert abs(parts.tax - exact) <= Decimal(1).scaleb(-currency_exponent(rule.currency)) / 2
