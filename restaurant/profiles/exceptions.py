"""What can be refused about a business profile."""

from restaurant.errors import NotFoundError


class ProfileNotFoundError(NotFoundError):
    """There is no such organisation."""

    code = "profile_not_found"

    def __init__(self, org_id: str) -> None:
        super().__init__(f"There is no organisation {org_id!r}.")
