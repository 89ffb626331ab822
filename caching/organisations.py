"""Which organisation an operator means by what was typed, on the command line and on the caches page alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from django.db import DEFAULT_DB_ALIAS

from caching.errors import AmbiguousOrganisation, CachingError, UnknownOrganisation
from caching.logs import escaped
from caching.registry import registry
from caching.routing import reads_from

__all__ = ["MOST_TYPED", "organisation_meant", "organisations_meant"]

#: Longer texts are no organisation's.
MOST_TYPED: Final = 200

# So many that are like the text are looked through for one that is called exactly so.
_SOUGHT: Final = 200
_SHOWN: Final = 10
_SUGGESTED: Final = 5


def organisations_meant(texts: Iterable[str]) -> list[str]:
    """Return the id that each text means, each id once, in the order of the texts.

    Raises what `organisation_meant` does; if several texts are wrong, a `CachingError` that tells of all of them.
    """
    meant, errors = [], []
    for text in dict.fromkeys(texts):
        try:
            meant.append(organisation_meant(text))
        except CachingError as error:
            errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else CachingError(" ".join(map(str, errors)))
    return list(dict.fromkeys(meant))


def organisation_meant(text: str) -> str:
    """Return the organisation of this id; else the one of this name; else the one that has the text in either.

    Where nobody can tell which organisations there are (`registry.organisations`), every text is an id. Raises
    `UnknownOrganisation` or `AmbiguousOrganisation`, which name those that may have been meant.
    """
    text = text.strip()
    # Databases refuse some of these with errors of their own, and an empty text would stand for all organisations.
    if not text or len(text) > MOST_TYPED or "\0" in text or not _is_whole(text):
        raise UnknownOrganisation([text])
    if registry.organisations is None:
        return text
    # A replica may not have heard of a new one.
    with reads_from(DEFAULT_DB_ALIAS):
        return text if text in set(registry.organisations([text])) else _called(text)


def _called(text: str) -> str:
    found = _like(text)
    exactly = [each for each in found if each[1].casefold() == text.casefold()]
    meant = exactly or found
    if len(meant) == 1:
        return meant[0][0]
    if meant:
        raise AmbiguousOrganisation(text, _named(meant))
    raise UnknownOrganisation([text], alike=_named(_alike(text)))


def _is_whole(text: str) -> bool:
    # Bytes of a command line that are not UTF-8 come as halves of characters.
    return not any("\ud800" <= each <= "\udfff" for each in text)


def _like(text: str) -> list[tuple[str, str]]:
    return list(registry.find_organisations(text, _SOUGHT)) if registry.find_organisations is not None else []


def _alike(text: str) -> list[tuple[str, str]]:
    """Return organisations whose id or name is spelt nearly so.

    One wrong letter leaves one half of the text whole (Wu and Manber, 1992), so the halves are what is looked for.
    """
    middle = len(text) // 2
    spelt: dict[str, tuple[str, str]] = {}
    for half in filter(None, (text[:middle].strip(), text[middle:].strip())):
        for each in _like(half):
            spelt.update((name.casefold(), each) for name in each)
    close = get_close_matches(text.casefold(), spelt, n=_SUGGESTED)
    return list(dict.fromkeys(spelt[name] for name in close))


def _named(organisations: Sequence[tuple[str, str]]) -> str:
    # Names are what their owners typed; these lines go to terminals.
    names = [f"{escaped(org)} ({escaped(name)})" for org, name in organisations[:_SHOWN]]
    return ", ".join(names) + (", and others" if len(organisations) > _SHOWN else "")
