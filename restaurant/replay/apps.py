"""Names the app, which has a command and no models."""

from django.apps import AppConfig


class ReplayConfig(AppConfig):
    name = "restaurant.replay"
