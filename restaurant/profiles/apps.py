"""Names the app; the label is what the user model and migrations refer to."""

from django.apps import AppConfig


class ProfilesConfig(AppConfig):
    name = "restaurant.profiles"
    label = "profiles"
    verbose_name = "Business profiles"
