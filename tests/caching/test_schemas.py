"""What a migration would change changes the text of a model; words for people do not, nor who computes it."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps
from django.utils.functional import lazy
from django.utils.translation import get_language, override

from caching.registry import Registry, registry
from caching.schemas import model_schema


def schema(**fields: Any) -> str:
    """The text of a model with these fields besides its own two."""
    with isolate_apps("tests.shop"):
        own = {"number": models.IntegerField(), "kind": models.CharField(max_length=5), **fields}
        meta = type("Meta", (), {"app_label": "shop"})
        return model_schema(type("Thing", (models.Model,), {"__module__": "tests.shop.models", "Meta": meta, **own}))


def substitute() -> int:
    return 5


@pytest.mark.parametrize(
    "changed",
    [
        {"more": models.IntegerField()},
        {"number": models.BigIntegerField()},
        {"number": models.IntegerField(null=True)},
        {"number": models.IntegerField(db_column="other")},
        {"number": models.IntegerField(default=5)},
        {"number": models.IntegerField(default=substitute)},
        {"kind": models.CharField(max_length=6)},
        {"kind": models.CharField(max_length=5, choices=[("a", "A")])},
        {"many": models.ManyToManyField("shop.Tag")},
        {"parent": models.ForeignKey("shop.Shop", models.CASCADE)},
    ],
    ids=repr,
)
def test_what_a_migration_would_change_changes_it(changed: dict[str, Any]) -> None:
    assert schema(**changed) != schema()


def test_choices_are_compared_too() -> None:
    few, more = [("a", "A")], [("a", "A"), ("b", "B")]
    assert schema(kind=models.CharField(max_length=5, choices=few)) != schema(
        kind=models.CharField(max_length=5, choices=more)
    )


def refuse(value: object) -> None:
    raise AssertionError("nothing is validated")


@pytest.mark.parametrize(
    "make",
    [
        lambda: models.IntegerField("its name", help_text="what it is"),
        lambda: models.IntegerField(validators=[refuse], error_messages={"null": "no"}),
    ],
)
def test_words_and_validators_do_not(make: Callable[[], Any]) -> None:
    assert schema(number=make()) == schema()


def test_translated_labels_are_the_same_in_every_language() -> None:
    label = lazy(lambda: str(get_language()), str)
    texts = set()
    for language in ("en", "it", None):
        with override(language):
            texts.add(schema(kind=models.CharField(max_length=5, choices=[("a", label())])))
    assert len(texts) == 1


def test_what_no_migration_can_write_has_a_text_without_an_address() -> None:
    texts = {schema(number=models.UUIDField(default=lambda: uuid.UUID(int=5))) for _ in range(2)}
    assert len(texts) == 1
    assert "0x" not in texts.pop()


def test_processes_with_other_hash_seeds_have_one_fingerprint() -> None:
    program = "import django; django.setup()\nfrom caching.registry import registry\nprint(registry.fingerprint.hex())"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONHASHSEED": "7"}
    answer = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == registry.fingerprint.hex()


def test_the_fingerprint_has_the_schema_of_every_model_that_a_region_depends_on() -> None:
    of_all = Registry()
    of_all.regions = dict(registry.regions)
    assert of_all.fingerprint == registry.fingerprint
    for region in registry.regions.values():
        for on in region.fresh_on:
            assert model_schema(on.model) in region.declaration[-1]
