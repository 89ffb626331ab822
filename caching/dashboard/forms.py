"""The form of the caches page: what is to be cleared or warmed."""

from __future__ import annotations

from typing import Any, Final

from django import forms

from caching.dashboard.parts import key_parts
from caching.errors import CachingError
from caching.organisations import MOST_TYPED, organisation_meant
from caching.registry import registry

__all__ = ["TargetForm"]

_MAX_PARTS: Final = 8


class TargetForm(forms.Form):
    """What to clear or warm: a region, an organisation, or one key of both; whatever is left out means all."""

    region = forms.ChoiceField(required=False)
    org = forms.CharField(label="Organisation", required=False, max_length=MOST_TYPED)
    key = forms.CharField(
        label="One key",
        required=False,
        max_length=800,
        help_text="A key is what names one value besides the organisation. Several parts: with commas.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        regions = sorted((region.label, region.name) for region in registry.regions.values())
        self.fields["region"] = forms.ChoiceField(
            required=False, choices=[("", "All regions"), *((name, label) for label, name in regions)]
        )
        for name, placeholder in (("org", "all: type an id or a name"), ("key", "all")):
            self.fields[name].widget.attrs.update(
                placeholder=placeholder, autocapitalize="none", autocomplete="off", spellcheck="false"
            )

    def clean_org(self) -> str:
        typed: str = self.cleaned_data["org"]
        try:
            return organisation_meant(typed) if typed else ""
        except CachingError as error:
            raise forms.ValidationError(str(error)) from error

    def clean_key(self) -> list[str | int]:
        """Whole numbers are numbers, unless they are in quotes."""
        parts = [part.strip() for part in self.cleaned_data["key"].split(",") if part.strip()]
        if len(parts) > _MAX_PARTS:
            raise forms.ValidationError(f"A key has at most {_MAX_PARTS} parts.")
        return [int(part) if part.isdecimal() and part.isascii() else part.strip('"') for part in parts]

    def clean(self) -> None:
        if self.cleaned_data.get("key") and not (self.cleaned_data.get("region") and self.cleaned_data.get("org")):
            self.add_error("key", "Say of which region and organisation it is.")

    def refuse(self) -> str:
        """Say what is wrong, field by field, and let the page open at the first wrong field; of an invalid form."""
        wrong = [field for field in self if field.errors]
        wrong[0].field.widget.attrs["autofocus"] = True
        return " ".join(f"{field.label}: {' '.join(map(str, field.errors))}" for field in wrong)

    @property
    def key_described(self) -> str:
        """What a key of the chosen region is made of, as a sentence; "" where nobody knows. Of a valid form."""
        region = registry.get(self.cleaned_data["region"])
        parts = key_parts(region)
        if parts is None:
            return ""
        made = f"is made of: {parts}" if parts else "has no parts: leave it empty"
        return f"Besides the organisation, a key of “{region.label}” {made}."

    @property
    def described(self) -> str:
        """The target in words; of a valid form. Without the key, which may be personal."""
        region, org = self.cleaned_data["region"], self.cleaned_data["org"]
        what = f"“{registry.get(region).label}”" if region else "all regions"
        what = f"one key of {what}" if self.cleaned_data["key"] else what
        return f"{what} of {org}" if org else what
