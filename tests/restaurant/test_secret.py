"""A machine makes its secret key once and keeps it to itself."""

from pathlib import Path

from restaurant.secret import local_secret_key


def test_the_key_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    var_dir = tmp_path / "var"
    key = local_secret_key(var_dir)
    assert len(key) >= 50
    assert local_secret_key(var_dir) == key
    assert (var_dir / "secret_key").stat().st_mode & 0o777 == 0o600


def test_every_machine_has_another_key(tmp_path: Path) -> None:
    assert local_secret_key(tmp_path / "one") != local_secret_key(tmp_path / "two")
