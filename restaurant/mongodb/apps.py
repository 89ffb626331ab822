"""Django's own apps whose rows have counted keys, with MongoDB's object ids in their place."""

from django.contrib.admin import apps as admin
from django.contrib.auth import apps as auth
from django.contrib.contenttypes import apps as contenttypes

from restaurant.mongodb import AUTO_FIELD


class AdminConfig(admin.AdminConfig):
    default_auto_field = AUTO_FIELD


class AuthConfig(auth.AuthConfig):
    default_auto_field = AUTO_FIELD


class ContentTypesConfig(contenttypes.ContentTypesConfig):
    default_auto_field = AUTO_FIELD
