"""What an order costs: one exact computation, whoever asks and whatever the tax rule."""

from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple, Protocol

from orders.exceptions import DiscountError
from restaurant.money import money_quantize
from restaurant.profiles.models import BusinessProfile


class TaxRule(NamedTuple):
    """How an organisation taxes: `rate` in percent, `on` "subtotal" or "discounted", prices with the tax or without."""

    currency: str
    rate: Decimal
    on: str
    prices_include_tax: bool

    @classmethod
    def of(cls, profile: BusinessProfile) -> "TaxRule":
        """Return the rule that the profile's settings describe."""
        return cls(profile.currency, profile.tax_rate, profile.tax_on, profile.prices_include_tax)


class PricedLine(Protocol):
    """What pricing needs to know of a line, be it a row or a cached copy: how many were sold, and the price of one."""

    @property
    def quantity(self) -> int: ...

    @property
    def unit_price(self) -> Decimal: ...


class BillTotal(NamedTuple):
    """Amounts in the currency's places. The total is subtotal - discount, plus the tax unless prices contain it."""

    subtotal: Decimal
    discount: Decimal
    tax: Decimal
    total: Decimal


def lines_subtotal(*, lines: Iterable[PricedLine], currency: str) -> Decimal:
    """Return what `lines` cost before discount and tax, rounded once, to the currency's places."""
    return money_quantize(sum((line.quantity * line.unit_price for line in lines), Decimal(0)), currency)


def bill_total(*, lines: Iterable[PricedLine], discount: Decimal, rule: TaxRule) -> BillTotal:
    """Return what `lines` cost after `discount` (an amount, not a percentage) under the tax rule.

    Subtotal, discount and tax are rounded, each once; the total is made of the rounded parts, so that they add up.
    Where prices include the tax, `tax` is the part contained in the taxed amount. Raises DiscountError when the
    discount is negative or greater than the subtotal.
    """
    subtotal = lines_subtotal(lines=lines, currency=rule.currency)
    discount = money_quantize(discount, rule.currency)
    if not 0 <= discount <= subtotal:
        raise DiscountError(f"The discount must lie between 0 and the subtotal, {subtotal}; it is {discount}.")
    discounted = subtotal - discount
    taxed = discounted if rule.on == BusinessProfile.TaxOn.DISCOUNTED else subtotal
    if rule.prices_include_tax:
        tax = money_quantize(taxed * rule.rate / (100 + rule.rate), rule.currency)
        return BillTotal(subtotal, discount, tax, discounted)
    tax = money_quantize(taxed * rule.rate / 100, rule.currency)
    return BillTotal(subtotal, discount, tax, discounted + tax)
