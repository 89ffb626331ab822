"""What can be refused about an order."""

from collections.abc import Iterable

from restaurant.errors import ConflictError, NotFoundError, UnacceptableError


class OrderNotFoundError(NotFoundError):
    """The organisation has no such order."""

    code = "order_not_found"

    def __init__(self) -> None:
        super().__init__("The organisation has no such order.")


class IllegalMoveError(ConflictError):
    """The order may not change to that status now; `allowed` holds the statuses it may change to."""

    code = "illegal_move"

    def __init__(self, *, status: str, wanted: str, allowed: Iterable[str], hint: str = "") -> None:
        self.status = status
        self.wanted = wanted
        self.allowed = tuple(str(move) for move in allowed)
        choices = f"it may become {' or '.join(self.allowed)}" if self.allowed else "nothing can follow"
        super().__init__(f"An order that is {status} cannot become {wanted}: {choices}.{' ' if hint else ''}{hint}")


class OrderClosedError(ConflictError):
    """The order can no longer be changed that way."""

    code = "order_closed"


class IdempotencyConflictError(ConflictError):
    """The idempotency key was already used for another request."""

    code = "idempotency_conflict"

    def __init__(self) -> None:
        super().__init__("This idempotency key was already used for a different request; send a new key.")


class DiscountError(UnacceptableError):
    """The discount is negative or greater than what the lines cost."""

    code = "discount"


class ServiceRefusedError(UnacceptableError):
    """The restaurant does not serve that way."""

    code = "service_refused"

    def __init__(self, service: str) -> None:
        super().__init__(f"This restaurant does not offer {service} service.")


class ItemUnavailableError(UnacceptableError):
    """A dish is not on the menu, or not on sale at present."""

    code = "item_unavailable"
