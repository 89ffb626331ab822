"""Names the app, which has a command and no models."""

from django.apps import AppConfig


class ServingConfig(AppConfig):
    name = "restaurant.serving"
