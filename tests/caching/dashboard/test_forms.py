"""What operators type is understood, or they are told what is wrong with it."""

from __future__ import annotations

import pytest

from caching.dashboard.forms import TargetForm
from caching.registry import registry
from tests.caching.operators import shop_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("tea_rooms")]


@pytest.fixture
def tea_rooms(named_shops: None) -> None:
    shop_of("tea", "The Tea Room")
    shop_of("tea2", "Tea for two")


def form(**fields: str) -> TargetForm:
    return TargetForm(fields)


@pytest.mark.parametrize(("text", "org"), [("", ""), ("tea", "tea"), ("tea room", "tea"), ("for TWO", "tea2")])
def test_an_organisation_is_meant_by_its_id_or_by_a_name_that_only_it_has(text: str, org: str) -> None:
    typed = form(org=text)

    assert typed.is_valid()
    assert typed.cleaned_data["org"] == org


def test_a_name_that_several_have_is_answered_with_their_ids() -> None:
    assert form(org="TEA ").errors == {
        "org": ["Several organisations are called like 'TEA': tea2 (Tea for two), tea (The Tea Room). Give an id."]
    }


def test_a_name_that_is_spelt_wrong_is_answered_with_the_one_that_is_like_it() -> None:
    assert form(org="Tea Rom").errors == {
        "org": ["There is no organisation 'Tea Rom'. Did you mean tea (The Tea Room)?"]
    }


def test_nobody_s_name_is_an_error_with_and_without_search(monkeypatch: pytest.MonkeyPatch) -> None:
    message = {"org": ["There is no organisation 'coffee'. Check the spelling."]}

    assert form(org="coffee").errors == message
    monkeypatch.setattr(registry, "find_organisations", None)
    assert form(org="coffee").errors == message


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("paid", ["paid"]),
        ("2, 20", [2, 20]),
        (' "2" ,x', ["2", "x"]),
        ("-1, ²", ["-1", "²"]),
        ("+447700900001", ["+447700900001"]),
        (" , ", []),
    ],
)
def test_the_parts_of_a_key_are_numbers_or_text(text: str, parts: list[str | int]) -> None:
    typed = form(region="shop", org="tea", key=text)

    assert typed.is_valid()
    assert typed.cleaned_data["key"] == parts


@pytest.mark.parametrize("fields", [{}, {"region": "shop"}, {"org": "tea"}])
def test_a_key_needs_its_region_and_its_organisation(fields: dict[str, str]) -> None:
    assert form(key="1", **fields).errors == {"key": ["Say of which region and organisation it is."]}


def test_a_key_of_too_many_parts_is_an_error() -> None:
    assert form(region="shop", org="tea", key="1,2,3,4,5,6,7,8,9").errors == {"key": ["A key has at most 8 parts."]}


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "all regions"),
        ({"region": "shop"}, "“Shop”"),
        ({"region": "shop", "org": "tea"}, "“Shop” of tea"),
        ({"region": "shop", "org": "tea", "key": "+447700900001"}, "one key of “Shop” of tea"),
    ],
)
def test_the_target_is_described_without_what_may_be_personal(fields: dict[str, str], words: str) -> None:
    typed = form(**fields)

    assert typed.is_valid()
    assert typed.described == words


def test_a_refused_form_names_its_wrong_fields_and_opens_at_the_first() -> None:
    typed = form(region="shap", org="coffee", key="1")

    said = typed.refuse()

    assert said.startswith("Region: Select a valid choice.")
    assert "Organisation: There is no organisation 'coffee'. Check the spelling." in said
    assert "One key: Say of which region and organisation it is." in said
    assert [each.name for each in typed if "autofocus" in str(each)] == ["region"]
    assert 'aria-invalid="true"' in str(typed["org"])
    assert 'aria-describedby="id_org_error"' in str(typed["org"])
    assert 'id="id_org_error"' in str(typed["org"].errors)
