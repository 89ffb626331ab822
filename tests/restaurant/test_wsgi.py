"""Servers find the application where the settings say."""

from django.core.handlers.wsgi import WSGIHandler

from restaurant.wsgi import application


def test_the_application_is_djangos() -> None:
    assert isinstance(application, WSGIHandler)
