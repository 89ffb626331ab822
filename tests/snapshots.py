"""Random snapshots of any kind, and what Django REST framework would send for the same values."""

from __future__ import annotations

import types
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from hypothesis import strategies as st
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer

from caching import Snapshot

# JSONRenderer alone writes the two line separators of JavaScript as escapes: the same JSON, but other bytes.
_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\u2028\u2029"))
_LEAVES: dict[Any, st.SearchStrategy[Any]] = {
    str: _TEXT,
    int: st.integers(min_value=0, max_value=2**53 - 1),
    bool: st.booleans(),
    UUID: st.uuids(),
    date: st.dates(),
    datetime: st.datetimes(timezones=st.just(UTC)),
    Decimal: st.decimals(min_value=-(10**9), max_value=10**9, places=3)
    | st.decimals(min_value=-(10**9), max_value=10**9, places=2)
    | st.decimals(min_value=-(10**9), max_value=10**9, places=0),
    type(None): st.none(),
}


def snapshots(kind: type[Snapshot]) -> st.SearchStrategy[Any]:
    """Return a strategy of snapshots of that kind, nested ones included."""
    return st.builds(kind, **{name: _values(hint) for name, hint in get_type_hints(kind).items() if name[0] != "_"})


def rendered_by_drf(snapshot: Snapshot) -> bytes:
    """Return the bytes that Django REST framework's serializer fields and renderer send for the snapshot's values."""
    rendered: bytes = JSONRenderer().render(_plain(snapshot))
    return rendered


def _values(hint: Any) -> st.SearchStrategy[Any]:
    if get_origin(hint) in (Union, types.UnionType):
        return st.one_of(*map(_values, get_args(hint)))
    if get_origin(hint) is tuple:
        kinds = get_args(hint)
        if kinds[-1] is Ellipsis:
            return st.lists(_values(kinds[0]), max_size=3).map(tuple)
        return st.tuples(*map(_values, kinds))
    return snapshots(hint) if issubclass(hint, Snapshot) else _LEAVES[hint]


def _plain(value: Any) -> Any:
    if isinstance(value, Snapshot):
        return {name: _plain(part) for name, part in msgspec.structs.asdict(value).items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        assert isinstance(exponent, int)
        return serializers.DecimalField(max_digits=None, decimal_places=-exponent).to_representation(value)
    if isinstance(value, datetime):
        return serializers.DateTimeField().to_representation(value)
    return value
