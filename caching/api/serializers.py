"""The JSON of the caches' endpoints: what a region did, and what is to be cleared or warmed."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from caching.errors import UnknownOrganisation, UnknownRegion
from caching.registry import registry

__all__ = [
    "CacheReportSerializer",
    "DoneSerializer",
    "RegionReportSerializer",
    "RegionTargetSerializer",
    "ReportQuerySerializer",
    "TargetSerializer",
]

_MAX_PARTS = 8
_MAX_PART_CHARACTERS = 200


class StatisticsSerializer(serializers.Serializer[Any]):
    """What a region did since the server started."""

    requests = serializers.IntegerField(help_text="Reads asked for.")
    hits = serializers.IntegerField(help_text="Reads that local memory or Redis answered.")
    hit_rate = serializers.FloatField(help_text="Share of hits, 0 to 1.")
    local_hits = serializers.IntegerField()
    redis_hits = serializers.IntegerField()
    misses = serializers.IntegerField(help_text="Reads that the database answered.")
    joined = serializers.IntegerField(help_text="Reads that took what another read was just getting.")
    stale = serializers.IntegerField(
        help_text="Reads answered with an expired value, because the database failed or was slow. Never money."
    )
    refreshed = serializers.IntegerField(help_text="Loads made shortly before a value expired.")
    bypassed = serializers.IntegerField(help_text="Misses that had to be: a writer was under way.")
    loads = serializers.IntegerField(help_text="Times the database was asked.")
    refused = serializers.IntegerField(help_text="Loaded values that were not kept, for they might have been old.")
    rejected = serializers.IntegerField(help_text="Values in Redis of another epoch or schema, or damaged.")
    undecryptable = serializers.IntegerField(
        help_text="Of these, values that encryption refused: not encrypted, or not with a key of ours for this place."
    )
    errors = serializers.IntegerField(  # type: ignore[assignment] # of the JSON; DRF keeps fields apart from attributes
        help_text="Round trips that Redis did not answer."
    )
    invalidations = serializers.IntegerField(help_text="Keys that writes made stale.")
    received = serializers.IntegerField(help_text="Invalidations that Redis told of.")
    evictions = serializers.IntegerField(help_text="Values that left local memory to make room.")
    audited = serializers.IntegerField(help_text="Hits that were compared with the database.")
    violations = serializers.IntegerField(help_text="Of these, hits that were older than the last commit.")
    prefetched = serializers.IntegerField(help_text="Values loaded before anybody asked for them.")
    prefetch_hits = serializers.IntegerField(help_text="Of these, values that were asked for then.")
    entries = serializers.IntegerField(help_text="Values in local memory now, all processes together.")
    bytes = serializers.IntegerField(help_text="Their size.")
    avg_access_ms = serializers.FloatField(help_text="Mean time of a read, in milliseconds.")
    avg_local_ms = serializers.FloatField()
    avg_redis_ms = serializers.FloatField()
    avg_miss_ms = serializers.FloatField()
    prefetch_precision = serializers.FloatField(
        allow_null=True, help_text="Share of the values loaded ahead that were asked for, 0 to 1; null without any."
    )
    prefetch_recall = serializers.FloatField(
        allow_null=True, help_text="Share of the reads that would have been misses and were foreseen, 0 to 1."
    )


class TtlSerializer(serializers.Serializer[Any]):
    """The times to live, in seconds, that a region's values were given by who loaded them last, and why.

    Of the server that answers, also in the figures of the fleet.
    """

    adaptive = serializers.BooleanField(help_text="False for money.")
    least = serializers.FloatField()
    median = serializers.FloatField()
    most = serializers.FloatField()
    bounds = serializers.ListField(child=serializers.FloatField(), min_length=2, max_length=2)
    keys = serializers.IntegerField(help_text="How many keys these are of.")
    raised = serializers.IntegerField(help_text="Of these, keys that live longer than declared.")
    lowered = serializers.IntegerField(help_text="Of these, keys that live shorter than declared.")
    why = serializers.CharField()


class ConsistencySerializer(serializers.Serializer[Any]):
    """What comparing hits with the database has shown."""

    nines = serializers.IntegerField(
        allow_null=True, help_text="3: with 95 % confidence at least 999 of 1,000 hits are consistent within that time."
    )
    within_ms = serializers.IntegerField(help_text="After how long a hit was looked at again, at the most.")
    audited = serializers.IntegerField(help_text="Hits compared.")
    violations = serializers.IntegerField(help_text="Of these, hits that were old still after that time.")
    sentence = serializers.CharField(help_text="The same in words.")


class RegionReportSerializer(serializers.Serializer[Any]):
    """One region: what it declares and what it did."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment] # as above
    money = serializers.BooleanField(help_text="A stale answer would be worse than none.")
    target = serializers.FloatField(allow_null=True, help_text="Hit rate expected, 0 to 1.")
    meets_target = serializers.BooleanField(allow_null=True, help_text="Null without a target, or without requests.")
    target_ms = serializers.FloatField(allow_null=True, help_text="Milliseconds that a hit may take on average.")
    local_ttl = serializers.FloatField(help_text="Seconds in local memory.")
    redis_ttl = serializers.FloatField(allow_null=True, help_text="Seconds in Redis; null without Redis.")
    ttl = TtlSerializer(allow_null=True, help_text="Adaptive times to live; null without CACHING['ADAPTIVE_TTL'].")
    consistency = ConsistencySerializer()
    statistics = StatisticsSerializer()


class BreakerSerializer(serializers.Serializer[Any]):
    """Whether the process that answers asks Redis."""

    state = serializers.ChoiceField(["closed", "open", "half-open"], help_text="Closed: it does.")
    since = serializers.FloatField(help_text="Of the last change, in seconds since 1970.")
    trips = serializers.IntegerField(help_text="How often it opened.")
    why = serializers.CharField(allow_blank=True, help_text="Why it did last.")


class ListenerSerializer(serializers.Serializer[Any]):
    """Whether the process that answers hears of other hosts' changes."""

    state = serializers.ChoiceField(["listening", "connecting", "without tracking"])
    lag_ms = serializers.FloatField(allow_null=True, help_text="How long Redis took to answer last.")
    heard = serializers.IntegerField(help_text="How many changes Redis told of.")
    reconnects = serializers.IntegerField()


class OutboxSerializer(serializers.Serializer[Any]):
    """What Redis could not be told."""

    depth = serializers.IntegerField(allow_null=True, help_text="Rows that wait; null when they cannot be read.")
    oldest_seconds = serializers.FloatField(allow_null=True, help_text="For how long the oldest has waited.")
    delivered = serializers.IntegerField(help_text="Rows that the process that answers has delivered.")
    is_relay = serializers.BooleanField(help_text="Whether it falls to that process to deliver.")


class HostSerializer(serializers.Serializer[Any]):
    """One host of the fleet; other hosts' figures are seconds late."""

    host = serializers.CharField()
    id = serializers.CharField(help_text="Tells hosts of one name apart.")
    since = serializers.FloatField(allow_null=True, help_text="When it began to count, in seconds since 1970.")
    seconds_ago = serializers.FloatField(help_text="When it told so.")
    requests = serializers.IntegerField()
    hit_rate = serializers.FloatField(help_text="Share of hits, 0 to 1.")
    bytes = serializers.IntegerField(help_text="What its local memories hold.")
    breaker = serializers.CharField(allow_blank=True, help_text="Of the process that told; empty without Redis.")
    listener = serializers.CharField(allow_blank=True)
    lag_ms = serializers.FloatField(allow_null=True)


class CacheReportSerializer(serializers.Serializer[Any]):
    """All regions of the fleet, one host or one process."""

    scope = serializers.ChoiceField(["fleet", "host", "process"])
    host = serializers.CharField(help_text="The server that answered.")
    host_id = serializers.CharField(help_text="What tells it from others of its name.")
    process = serializers.IntegerField(help_text="Its process that answered.")
    since = serializers.FloatField(
        allow_null=True, help_text="When the first of the servers added up began to count, in seconds since 1970."
    )
    prefix = serializers.CharField(help_text="What keys in Redis begin with.")
    local_memory = serializers.BooleanField(help_text="Whether this process keeps values in local memory.")
    redis = serializers.BooleanField(help_text="Whether Redis is configured.")
    breaker = BreakerSerializer(allow_null=True, help_text="Null without Redis.")
    listener = ListenerSerializer(allow_null=True, help_text="Null without Redis, or without threads.")
    outbox = OutboxSerializer(allow_null=True, help_text="Null without Redis.")
    hosts = HostSerializer(many=True, help_text="The hosts that were added up; empty unless the fleet was asked for.")
    regions = RegionReportSerializer(many=True)


class ReportQuerySerializer(serializers.Serializer[Any]):
    """The query of a report."""

    scope = serializers.ChoiceField(
        ["fleet", "host", "process"],
        default="host",
        help_text="`fleet`: all servers that share Redis; "
        "`host`: all processes of the server that answers; `process`: the one that answers.",
    )


@extend_schema_field({"oneOf": [{"type": "string", "maxLength": _MAX_PART_CHARACTERS}, {"type": "integer"}]})
class _PartField(serializers.Field[Any, Any, Any, Any]):
    """One part of a key: text or a whole number."""

    def to_internal_value(self, data: Any) -> str | int:
        if isinstance(data, str) and len(data) <= _MAX_PART_CHARACTERS:
            return data
        if isinstance(data, int) and not isinstance(data, bool):
            return data
        raise serializers.ValidationError(f"Give text of at most {_MAX_PART_CHARACTERS} characters, or a whole number.")


class RegionTargetSerializer(serializers.Serializer[Any]):
    """A region's organisation, or one of its keys; nothing means all of the region."""

    org = serializers.CharField(required=False, max_length=64, help_text="The organisation; left out: all.")
    key = serializers.ListField(
        child=_PartField(),
        required=False,
        max_length=_MAX_PARTS,
        help_text="What names one value besides the organisation, such as an order's id: text, numbers, UUIDs, dates.",
    )

    def validate_org(self, org: str) -> str:
        try:
            registry.require_organisations([org])
        except UnknownOrganisation as error:
            raise serializers.ValidationError(str(error)) from error
        return org

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "key" in attrs and "org" not in attrs:
            raise serializers.ValidationError({"org": "Say whose key it is."})
        return attrs


class TargetSerializer(RegionTargetSerializer):
    """A region, an organisation, both, or one key; everything only when `all` says so."""

    region = serializers.CharField(required=False, max_length=64, help_text="The region; left out: all.")
    all = serializers.BooleanField(default=False, help_text="Everything, when neither region nor org is given.")

    def validate_region(self, region: str) -> str:
        try:
            return registry.get(region).name
        except UnknownRegion as error:
            raise serializers.ValidationError(str(error)) from error

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        narrowed = attrs.keys() & {"region", "org"}
        if attrs["all"] == bool(narrowed):
            raise serializers.ValidationError('Name a region, an org or both; or send {"all": true} for everything.')
        if "key" in attrs and "region" not in attrs:
            raise serializers.ValidationError({"region": "Say of which region the key is."})
        return super().validate(attrs)


class DoneSerializer(serializers.Serializer[Any]):
    """What was cleared or warmed."""

    region = serializers.CharField(allow_null=True, help_text="Null: all regions.")
    org = serializers.CharField(allow_null=True, help_text="Null: all organisations.")
    found = serializers.BooleanField(
        allow_null=True,
        required=False,
        help_text="One key cleared: whether the process that answered, or Redis, had a value of that name; null when "
        "Redis did not say. It was cleared all the same, wherever else it may be.",
    )
    loaded = serializers.DictField(
        child=serializers.IntegerField(), required=False, help_text="Warmed: how many values each region has loaded."
    )
