"""Servers find the application where the settings say."""

from django.core.handlers.asgi import ASGIHandler

from restaurant.asgi import application


def test_the_application_is_djangos() -> None:
    assert isinstance(application, ASGIHandler)
