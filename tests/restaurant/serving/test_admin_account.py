"""The administrator is made once, and the generated password can be shown again while it holds."""

from pathlib import Path

import pytest

from restaurant.profiles.models import Membership, User
from restaurant.serving.admin_account import admin_ensure
from tests.factories import BusinessProfileFactory, UserFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "admin-password"


def test_a_new_administrator_can_sign_in_and_owns_every_organisation(file: Path) -> None:
    org = BusinessProfileFactory()

    login = admin_ensure(password_file=file)

    user = User.objects.get(username=login.username)
    assert user.is_superuser
    assert login.password is not None
    assert user.check_password(login.password)
    assert Membership.objects.get(user=user).org == org
    assert file.stat().st_mode & 0o777 == 0o600


def test_the_password_is_shown_again_on_every_start(file: Path) -> None:
    assert admin_ensure(password_file=file) == admin_ensure(password_file=file)
    assert User.objects.count() == 1


def test_a_password_kept_from_before_is_used_for_a_database_made_anew(file: Path) -> None:
    first = admin_ensure(password_file=file)
    User.objects.all().delete()

    assert admin_ensure(password_file=file) == first


def test_a_password_somebody_chose_is_left_alone_and_not_shown(file: Path) -> None:
    admin_ensure(password_file=file)
    user = User.objects.get()
    user.set_password("chosen")
    user.save()

    assert admin_ensure(password_file=file).password is None
    assert User.objects.get().check_password("chosen")


def test_an_administrator_made_otherwise_is_left_alone(file: Path) -> None:
    UserFactory(username="admin")

    assert admin_ensure(password_file=file).password is None
    assert not file.exists()
