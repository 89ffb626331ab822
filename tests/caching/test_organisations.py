"""Whom operators mean is found out, or they are told whom they may have meant."""

from __future__ import annotations

import pytest

from caching.errors import AmbiguousOrganisation, CachingError, UnknownOrganisation
from caching.organisations import organisation_meant, organisations_meant
from caching.registry import registry
from tests.caching.operators import shop_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("named_shops")]


@pytest.fixture(autouse=True)
def tea_rooms(named_shops: None) -> None:
    shop_of("tea", "The Tea Room")
    shop_of("tea2", "Tea for two")
    shop_of("room", "Tea")


@pytest.mark.parametrize(
    ("text", "org"),
    [
        ("tea", "tea"),
        ("room", "room"),
        ("The Tea Room", "tea"),
        (" the tea ROOM ", "tea"),
        ("for two", "tea2"),
        ("ea2", "tea2"),
        ("Tea", "room"),
        ("TEA", "room"),
    ],
)
def test_an_id_goes_before_a_name_and_a_whole_name_before_a_part(text: str, org: str) -> None:
    assert organisation_meant(text) == org


def test_what_several_have_is_answered_with_their_ids_and_names() -> None:
    with pytest.raises(AmbiguousOrganisation) as caught:
        organisation_meant("tea ")
        organisation_meant("ea")
    assert str(caught.value) == (
        "Several organisations are called like 'ea': room (Tea), tea2 (Tea for two), tea (The Tea Room). Give an id."
    )


def test_a_name_that_two_have_is_answered_with_these_two() -> None:
    shop_of("room2", "TEA")

    with pytest.raises(AmbiguousOrganisation, match=r"'Tea': room2 \(TEA\), room \(Tea\)\. Give an id"):
        organisation_meant("Tea")


def test_of_very_many_the_first_are_named() -> None:
    for number in range(30):
        shop_of(f"cake{number:02}", f"Cake {number:02}")

    with pytest.raises(AmbiguousOrganisation, match=r"cake09 \(Cake 09\), and others\. Give an id"):
        organisation_meant("cake")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("tee", "tea (The Tea Room)"),
        ("Tea Rom", "tea (The Tea Room)"),
        ("Tea four two", "tea2 (Tea for two)"),
    ],
)
def test_a_misspelt_one_is_answered_with_those_that_are_spelt_alike(text: str, meant: str) -> None:
    with pytest.raises(UnknownOrganisation) as caught:
        organisation_meant(text)
    assert str(caught.value).startswith(f"There is no organisation {text!r}. Did you mean {meant}")


@pytest.mark.parametrize("text", ["", " ", "t\0ea", "\udcff", "t" * 201, "coffee", "%", "_"])
def test_what_is_like_none_is_unknown(text: str) -> None:
    with pytest.raises(UnknownOrganisation, match="Check the spelling"):
        organisation_meant(text)


def test_a_long_text_is_not_repeated_in_full() -> None:
    with pytest.raises(UnknownOrganisation) as caught:
        organisation_meant("t" * 100_000)
    assert len(str(caught.value)) < 200


def test_a_name_with_codes_of_terminals_is_shown_as_text() -> None:
    shop_of("evil", "Cake \x1b[31m\n1")
    shop_of("good", "Cake 2")

    with pytest.raises(AmbiguousOrganisation, match=r"evil \(Cake \\x1b\[31m\\n1\), good \(Cake 2\)"):
        organisation_meant("cake")


def test_without_a_search_only_ids_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "find_organisations", None)

    assert organisation_meant("tea") == "tea"
    with pytest.raises(UnknownOrganisation, match=r"'The Tea Room'\. Check the spelling"):
        organisation_meant("The Tea Room")


def test_where_nobody_can_tell_every_text_is_an_id_but_none_is_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "organisations", None)

    assert organisation_meant("anything") == "anything"
    with pytest.raises(UnknownOrganisation):
        organisation_meant("")


def test_each_of_several_is_meant_once() -> None:
    assert organisations_meant(["tea2", "The Tea Room", "tea", "tea2"]) == ["tea2", "tea"]
    assert organisations_meant([]) == []


def test_all_wrong_ones_of_several_are_told() -> None:
    with pytest.raises(CachingError, match=r"no organisation 'coffee'.*called like 'ea'"):
        organisations_meant(["tea", "coffee", "ea"])
