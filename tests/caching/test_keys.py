"""Names of keys: one for each thing, in one cluster slot, telling nothing about people."""

from __future__ import annotations

import enum
import re
import string
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from caching.errors import CachingError
from caching.key_secrets import digest_under
from caching.keys import Key, Scope, digest, parts_of, parts_text

_UUID = UUID("6f9619ff-8b86-d011-b42d-00cf4fc964ff")

_orgs = st.one_of(st.text(alphabet=string.ascii_letters + "_-~", min_size=1, max_size=5), st.text())
_object_ids = st.binary(min_size=12, max_size=12).map(ObjectId)
_parts = st.lists(st.one_of(st.text(max_size=4), st.integers(), st.uuids(), st.dates(), _object_ids), max_size=3)


def test_a_name_shows_the_organisation_as_hash_tag_the_region_and_the_parts() -> None:
    key = Key("orders", "trattoria-da_Mario", (5, _UUID, date(2026, 3, 1), "ready"))

    assert key.name == (
        "{trattoria-da_Mario}:orders:i5:u6f9619ff8b86d011b42d00cf4fc964ff:d2026-03-01:s" + digest_under(0, "ready")
    )


def test_a_key_without_parts_is_named_like_its_scope() -> None:
    assert Key("active", "osteria").name == Key("active", "osteria").scope.name == "{osteria}:active"


def test_another_database_is_part_of_the_name_but_never_of_the_scope() -> None:
    ours, theirs = Key("orders", "osteria", (5,)), Key("orders", "osteria", (5,), "archive")

    assert theirs.name == "{osteria}:orders@" + digest("archive") + ":i5"
    assert theirs.scope == ours.scope
    assert theirs.local == ("orders", "archive", "osteria", 5)


def test_no_users_text_stands_in_a_name() -> None:
    key = Key("balance", "osteria", ("+43 1 234567",))

    assert "234567" not in key.name
    assert re.fullmatch(r"\{osteria\}:balance:s[0-9a-f]{32}", key.name)


@pytest.mark.parametrize("org", ["", "Café", "a b", "a}b{", "a:b", "x" * 65, "a\n", "\u0663"])
def test_an_organisation_of_other_than_plain_characters_is_digested(org: str) -> None:
    assert Scope("orders", org).name == "{~" + digest(org) + "}:orders"


def test_an_organisation_called_like_a_digest_is_another_one() -> None:
    assert Scope("orders", "~" + digest("Café")).name != Scope("orders", "Café").name


def test_a_digest_is_32_hexadecimal_digits() -> None:
    assert re.fullmatch("[0-9a-f]{32}", digest("Café"))
    assert digest("Café") != digest("Cafe")


@given(first=st.tuples(_orgs, _parts), second=st.tuples(_orgs, _parts))
def test_two_keys_share_a_name_only_when_they_are_equal(
    first: tuple[str, list[Any]], second: tuple[str, list[Any]]
) -> None:
    keys = [Key("orders", org, parts) for org, parts in (first, second)]

    assert (keys[0].name == keys[1].name) == (keys[0] == keys[1]) == (first == second)


@given(parts=_parts)
def test_parts_are_what_they_were_after_they_have_been_text(parts: list[Any]) -> None:
    assert parts_of(parts_text(parts)) == tuple(parts)


@given(org=_orgs, parts=_parts)
def test_the_hash_tag_is_the_organisation_alone(org: str, parts: list[Any]) -> None:
    name = Key("orders", org, parts).name

    # Redis Cluster hashes what stands between the first brace and the next closing one.
    assert (name.count("{"), name.count("}"), name[0]) == (1, 1, "{")
    assert name[: name.index("}") + 1] == Scope("bills", org).name.split(":")[0]
    assert name.isascii()


@pytest.mark.parametrize(
    ("some", "other"),
    [(5, "5"), (_UUID, str(_UUID)), (date(2026, 3, 1), "2026-03-01"), (_UUID, _UUID.int), ("", "s")],
    ids=["number", "UUID", "date", "number of UUID", "empty"],
)
def test_equal_looking_parts_of_different_types_are_different_keys(some: Any, other: Any) -> None:
    assert Key("orders", "osteria", (some,)).name != Key("orders", "osteria", (other,)).name
    assert Key("orders", "osteria", (some,)) != Key("orders", "osteria", (other,))


def test_parts_cannot_be_moved_into_one_another() -> None:
    assert Key("orders", "osteria", ("a", "b")).name != Key("orders", "osteria", ("a:b",)).name


@pytest.mark.parametrize("part", [True, None, 1.5, b"bytes", datetime(2026, 3, 1, tzinfo=UTC), ("a",)])
def test_a_part_of_another_type_is_refused_by_its_type_and_not_its_value(part: Any) -> None:
    with pytest.raises(CachingError, match=f"UUID, an ObjectId or a date, not {type(part).__name__}"):
        _ = Key("orders", "osteria", (part,)).name


def test_a_choice_of_text_is_the_text() -> None:
    class Status(enum.StrEnum):
        READY = "ready"

    assert Key("orders", "osteria", (Status.READY,)).name == Key("orders", "osteria", ("ready",)).name


def test_a_choice_of_a_number_is_the_number() -> None:
    class Level(int, enum.Enum):
        HIGH = 5

    key = Key("orders", "osteria", (Level.HIGH,))
    assert key == Key("orders", "osteria", (5,)), "as local memory has it"
    assert key.name == Key("orders", "osteria", (5,)).name


def test_keys_and_scopes_serve_in_sets_and_tell_their_names() -> None:
    assert {Key("orders", "osteria", (5,)), Key("orders", "osteria", [5])} == {Key("orders", "osteria", (5,))}
    assert {Scope("orders", "osteria"), Scope("orders", "osteria")} == {Scope("orders", "osteria")}
    assert Scope("orders", "osteria") not in {Scope("orders", "trattoria"), Scope("bills", "osteria")}
    assert Key("orders", "osteria") != Scope("orders", "osteria")
    assert Scope("orders", "osteria") != ("orders", "osteria")
    assert repr(Key("orders", "osteria", (5,))) == "<Key {osteria}:orders:i5>"
    assert repr(Scope("orders", "osteria")) == "<Scope {osteria}:orders>"


def test_text_with_half_a_character_is_a_name_like_any_other() -> None:
    assert Key("shop", "half \ud800").name != Key("shop", "half \ud801").name
