"""The administrator of a fresh site, whose generated password is kept in a file so that it can be shown again."""

import secrets
from pathlib import Path
from typing import Final, NamedTuple

from restaurant.profiles.models import BusinessProfile, Membership, User
from restaurant.profiles.services import membership_set
from restaurant.secret import kept_secret

USERNAME: Final = "admin"


class AdminLogin(NamedTuple):
    """How to sign in; `password` is None when somebody has chosen another one than was generated."""

    username: str
    password: str | None


def admin_ensure(*, password_file: Path) -> AdminLogin:
    """Return the administrator's login, made with a password kept in the file (mode 0600) if there is none yet.

    A new administrator owns every organisation there is. One who exists is left as they are.
    """
    user = User.objects.filter(username=USERNAME).first()
    if user is None:
        password = kept_secret(password_file, make=lambda: secrets.token_urlsafe(12))
        user = User.objects.create_superuser(USERNAME, password=password)
        for org_id in BusinessProfile.objects.values_list("pk", flat=True):
            membership_set(user_id=user.pk, org_id=org_id, role=Membership.Role.OWNER)
        return AdminLogin(USERNAME, password)
    kept = password_file.read_text() if password_file.exists() else None
    return AdminLogin(USERNAME, kept if kept is not None and user.check_password(kept) else None)
