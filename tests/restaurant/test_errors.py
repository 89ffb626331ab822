"""Every refusal of the domain is of a kind that the API can map, and has a code of its own."""

import billing.exceptions
import orders.exceptions
import restaurant.profiles.exceptions
from restaurant.errors import ConflictError, DomainError, NotFoundError, UnacceptableError


def _refusals() -> list[type[DomainError]]:
    modules = (billing.exceptions, orders.exceptions, restaurant.profiles.exceptions)
    return [
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, DomainError) and value.__module__ == module.__name__
    ]


def test_every_refusal_is_of_one_of_the_three_kinds() -> None:
    kinds = (NotFoundError, ConflictError, UnacceptableError)
    assert all(sum(issubclass(refusal, kind) for kind in kinds) == 1 for refusal in _refusals())


def test_no_two_refusals_share_a_code() -> None:
    codes = [refusal.code for refusal in _refusals()]
    assert len(codes) == len(set(codes)) > 10
