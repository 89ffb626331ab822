"""Who may do what: one table of roles and actions, and the view class that asks it before anything is read."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, Final

from rest_framework.exceptions import NotFound, PermissionDenied
from rest_framework.request import Request

from restaurant.api.views import NonAtomicView
from restaurant.profiles.api.authentication import role_of
from restaurant.profiles.models import Membership

Role = Membership.Role


class Action(StrEnum):
    """What a role may be allowed to do, worded to complete "your role may not ..."."""

    READ_PROFILE = "read the profile"
    UPDATE_PROFILE = "change the profile"
    READ_MENU = "read the menu"
    READ_ORDERS = "read orders"
    PLACE_ORDERS = "place or change orders"
    COOK = "confirm orders, prepare them or call them ready"
    SERVE = "serve or cancel orders"
    TAKE_PAYMENT = "take payments"
    GIVE_REFUND = "give refunds"
    READ_BILLS = "read bills"
    READ_BALANCES = "read what customers owe"
    ADJUST_BALANCES = "refund customers or adjust their balances"
    READ_SUMMARY = "read the billing summary"


_KITCHEN: Final = frozenset({Action.READ_PROFILE, Action.READ_MENU, Action.READ_ORDERS, Action.COOK})
_STAFF: Final = _KITCHEN | {
    Action.PLACE_ORDERS,
    Action.SERVE,
    Action.TAKE_PAYMENT,
    Action.READ_BILLS,
    Action.READ_BALANCES,
}
_MANAGER: Final = _STAFF | {
    Action.UPDATE_PROFILE,
    Action.GIVE_REFUND,
    Action.ADJUST_BALANCES,
    Action.READ_SUMMARY,
}

ALLOWED: Final = MappingProxyType(
    {
        Role.KITCHEN: _KITCHEN,
        Role.STAFF: _STAFF,
        Role.MANAGER: _MANAGER,
        Role.OWNER: frozenset(Action),
    }
)
"""The actions of each role. Nothing else counts: a superuser without a membership is a stranger here."""


class OrganisationView(NonAtomicView):
    """A view under `orgs/{org}/`, for members only.

    A stranger cannot tell an organisation from one that does not exist: both are 404. A member whose role lacks the
    action that `actions` names for the method gets 403. The role is looked up before anything else is read: by the
    query of the token or, in a session, by one of its own.
    """

    actions: ClassVar[Mapping[str, Action]] = {}
    role: Role

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Let DRF authenticate and throttle, then check the membership and the role."""
        super().initial(request, *args, **kwargs)
        role = role_of(request, kwargs["org"])
        if role is None:
            raise NotFound("There is no such organisation among yours; /api/v1/orgs/ lists them.")
        self.role = Role(role)
        method = "GET" if request.method == "HEAD" else str(request.method)
        if method in self.actions:
            self.require(self.actions[method])

    def require(self, action: Action) -> None:
        """Raise PermissionDenied unless the member's role may do this."""
        if action not in ALLOWED[self.role]:
            raise PermissionDenied(f"In this organisation you are {self.role.label.lower()}, who may not {action}.")
