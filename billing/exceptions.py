"""What can be refused about bills, payments and customers."""

from restaurant.errors import ConflictError, NotFoundError, UnacceptableError


class AppendOnlyError(TypeError):
    """Code tried to change or delete a row of the books: a mistake of the programmer, not of a client."""


class CustomerNotFoundError(NotFoundError):
    """The organisation has no such customer."""

    code = "customer_not_found"

    def __init__(self) -> None:
        super().__init__("The organisation has no such customer.")


class CustomerConflictError(ConflictError):
    """The customer cannot be changed so: another has that number, or somebody else changed the number just now."""

    code = "customer_conflict"


class NotPayableError(ConflictError):
    """The order is in no status in which it can be paid."""

    code = "not_payable"


class AmountError(UnacceptableError):
    """The amount is not positive, is no amount of the currency, or is more than is due."""

    code = "amount"


class NoCustomerError(UnacceptableError):
    """Paying on account, or back to it, needs to know whose account."""

    code = "no_customer"

    def __init__(self) -> None:
        super().__init__("This order names no customer; add a phone number to it, or choose another method.")
