"""Misspelt fields do not pass in silence."""

from rest_framework import serializers

from restaurant.api.serializers import StrictSerializer


class _Dish(StrictSerializer):
    name = serializers.CharField()
    number = serializers.IntegerField(read_only=True)


def test_a_field_that_is_none_is_refused_with_those_there_are() -> None:
    dish = _Dish(data={"name": "Soup", "nmae": "x", "number": 1})
    assert not dish.is_valid()
    assert set(dish.errors) == {"nmae", "number"}
    assert "Use: name." in dish.errors["nmae"][0]


def test_the_known_fields_pass() -> None:
    dish = _Dish(data={"name": "Soup"})
    assert dish.is_valid()
    assert dish.validated_data == {"name": "Soup"}


def test_a_body_that_is_no_object_is_refused() -> None:
    dish = _Dish(data=["Soup"])
    assert not dish.is_valid()
    assert "non_field_errors" in dish.errors
