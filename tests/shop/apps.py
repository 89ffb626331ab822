"""A little project of another kind, with which the framework is tested: it must know no restaurant."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    name = "tests.shop"
    label = "shop"
