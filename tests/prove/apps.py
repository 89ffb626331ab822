"""Puts pauses, and the sabotage that was asked for, into every process of a run."""

import os

from django.apps import AppConfig


class ProveConfig(AppConfig):
    name = "tests.prove"
    label = "prove"

    def ready(self) -> None:
        from tests.prove import gates, sabotage

        sabotage.install(os.environ.get("PROVE_SABOTAGE", ""))
        gates.install()
