"""What the API documents say beyond DRF's own serializers: snapshots, problems, and how reads are cached."""

from collections.abc import Iterator
from typing import Any, Final, Protocol

import msgspec
from django_filters import rest_framework as filters
from drf_spectacular.extensions import OpenApiSerializerExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import Direction, OpenApiParameter
from msgspec import inspect as info

from caching import On, Snapshot
from restaurant.api.idempotency import HEADER
from restaurant.api.pagination import MAX_PAGE, MAX_PAGE_SIZE, PAGE_SIZE

_REFERENCE: Final = "#/components/schemas/{name}"


class CachedRegion(Protocol):
    """What the documents tell of a cached region."""

    @property
    def local_ttl(self) -> float: ...

    @property
    def redis_ttl(self) -> float: ...

    @property
    def fresh_on(self) -> tuple[On, ...]: ...


def cached_note(region: CachedRegion) -> str:
    """Return the sentences that say how long a read is cached, and what makes it fresh at once."""
    changes = ", ".join(dict.fromkeys(_change(on) for on in region.fresh_on))
    return (
        f"**Cached** for up to {region.local_ttl:g} s in local memory and {region.redis_ttl:g} s in Redis. "
        f"**Fresh at once** when a change is committed to: {changes}. "
        "Answers carry an `ETag`; send it back in `If-None-Match` to get 304 while nothing has changed."
    )


def _change(on: On) -> str:
    name = str(on.model._meta.verbose_name)
    fields = f" ({', '.join(on.fields)})" if on.fields else ""
    return f"any {name} of the organisation{fields}" if on.parts is None else f"its {name}{fields}"


IDEMPOTENCY_REQUIRED: Final = OpenApiParameter(
    HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    required=True,
    description="A new key (such as a UUID) for each new request; the same key again repeats nothing. "
    "The same key with another request is refused with 409.",
)
IDEMPOTENCY_OPTIONAL: Final = OpenApiParameter(
    HEADER,
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    required=False,
    description="With a key, a repetition of the request returns what the first one made. "
    "The same key with another request is refused with 409.",
)
PAGE: Final = (
    OpenApiParameter(
        "page", {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 1}, description="1 is the first."
    ),
    OpenApiParameter(
        "page_size",
        {"type": "integer", "minimum": 1, "maximum": MAX_PAGE_SIZE, "default": PAGE_SIZE},
        description="How many rows a page holds.",
    ),
)


def filter_parameters(kind: type[filters.FilterSet]) -> list[OpenApiParameter]:
    """Return what the documents say of each filter."""
    return [OpenApiParameter(name, _filter_schema(each)) for name, each in kind.base_filters.items()]


def _filter_schema(each: filters.Filter) -> dict[str, Any]:
    match each:
        case filters.ChoiceFilter():
            return {"type": "string", "enum": [str(value) for value, _ in each.extra["choices"]]}
        case filters.DateFilter():
            return {"type": "string", "format": "date"}
        case filters.NumberFilter():
            return {"type": "integer"}
    return {"type": "string"}


class SnapshotExtension(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]  # spectacular has few types
    """Describes a snapshot class by the JSON Schema that msgspec derives from its annotations."""

    target_class = Snapshot
    match_subclasses = True

    def get_name(self, auto_schema: AutoSchema, direction: Direction) -> str:  # noqa: ARG002 - spectacular's signature
        return _component_name(self.target.__name__)

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> Any:
        fields = info.type_info(self.target).fields  # type: ignore[attr-defined]  # a snapshot's is a StructType
        for nested in dict.fromkeys(kind for field in fields for kind in _snapshots_within(field.type)):
            auto_schema.resolve_serializer(nested, direction)
        _, components = msgspec.json.schema_components([self.target], ref_template=_REFERENCE)
        schema = _renamed(components[self.target.__name__])
        schema.pop("title")
        for field in fields:
            if isinstance(field.type, info.DateTimeType):
                # msgspec names the format only of times that are declared to have a zone.
                schema["properties"][field.encode_name]["format"] = "date-time"
        return schema


def _snapshots_within(found: info.Type) -> Iterator[Any]:
    match found:
        case info.StructType():
            yield found.cls
        case info.VarTupleType():
            yield from _snapshots_within(found.item_type)


def _component_name(name: str) -> str:
    return name.removesuffix("Snapshot")


def _renamed(schema: Any) -> Any:
    """Return a copy of the schema with references to the components' names."""
    match schema:
        case {"$ref": str(target)}:
            return {"$ref": _REFERENCE.format(name=_component_name(target.rpartition("/")[2]))}
        case dict():
            return {key: _renamed(value) for key, value in schema.items()}
        case list():
            return [_renamed(each) for each in schema]
    return schema


_PROBLEM: Final = {
    "type": "object",
    "description": "An error, in the form of RFC 9457.",
    "properties": {
        "type": {"type": "string", "description": 'Which rule was broken; "about:blank": the status says it all.'},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and what to do about it."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string", "description": 'Such as "lines.0.quantity"; "": the whole request.'},
                    "detail": {"type": "string"},
                },
                "required": ["field", "detail"],
            },
        },
    },
    "required": ["type", "title", "status", "detail"],
}


def describe_problems(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Post-processing hook: every operation may answer with a problem."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = _PROBLEM
    reference = {"$ref": _REFERENCE.format(name="Problem")}
    for operations in result["paths"].values():
        for operation in operations.values():
            operation["responses"]["default"] = {
                "description": "Any error.",
                "content": {"application/problem+json": {"schema": reference}},
            }
    return result
