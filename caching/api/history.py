"""Where dashboards and operators' tools read what the caches did over time."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
from drf_spectacular.helpers import forced_singular_serializer
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from caching.api.permissions import CachePermission
from caching.api.reports import UsageReportSerializer
from caching.errors import UnknownOrganisation, UnknownRegion
from caching.periods import STEPS, BadPeriod, moment
from caching.registry import registry
from caching.reports import report
from caching.series import history

__all__ = ["CacheHistoryViewSet", "HistoryQuerySerializer", "HistorySerializer", "UsageQuerySerializer"]


@extend_schema_field({"type": "string", "example": "24h"})
class MomentField(serializers.Field[datetime, str, str, Any]):
    """A time as `caching.periods.moment` reads it."""

    def to_internal_value(self, data: str) -> datetime:
        try:
            return moment(data)
        except BadPeriod as error:
            raise serializers.ValidationError(str(error)) from error


class UsageQuerySerializer(serializers.Serializer[Any]):
    """Of what, and of which time, figures are wanted."""

    region = serializers.CharField(required=False, max_length=64, help_text="The region; left out: all.")
    org = serializers.CharField(
        required=False, max_length=64, help_text="The organisation; left out: all. Only the busiest have figures."
    )
    since = MomentField(
        required=False,
        help_text="A date, a date and a time, or how long ago (`90m`, `24h`, `7d`); without an offset in the site's "
        "time zone.",
    )
    until = MomentField(required=False, help_text="The same, not included; left out: now.")

    def validate_region(self, region: str) -> str:
        try:
            return registry.get(region).name
        except UnknownRegion as error:
            raise serializers.ValidationError(str(error)) from error

    def validate_org(self, org: str) -> str:
        try:
            registry.require_organisations([org])
        except UnknownOrganisation as error:
            raise serializers.ValidationError(str(error)) from error
        return org


class HistoryQuerySerializer(UsageQuerySerializer):
    """The query of a history."""

    step = serializers.ChoiceField(
        STEPS, required=False, help_text="Left out: the finest that gives a readable number of points."
    )


class PointSerializer(serializers.Serializer[Any]):
    """One minute, hour or day."""

    at = serializers.DateTimeField(help_text="When it began.")
    requests = serializers.IntegerField()
    hits = serializers.IntegerField()
    local_hits = serializers.IntegerField()
    redis_hits = serializers.IntegerField()
    misses = serializers.IntegerField()
    hit_rate = serializers.FloatField(allow_null=True, help_text="0 to 1; null without requests.")
    avg_local_ms = serializers.FloatField(allow_null=True, help_text="Milliseconds; null if none was timed.")
    avg_redis_ms = serializers.FloatField(allow_null=True)
    avg_miss_ms = serializers.FloatField(allow_null=True)
    entries = serializers.IntegerField(help_text="In local memory at the end, of all processes.")
    bytes = serializers.IntegerField()


class SeriesSerializer(serializers.Serializer[Any]):
    """The points of one region, the oldest first; times in which nothing happened have none."""

    region = serializers.CharField()
    org = serializers.CharField(allow_blank=True, help_text="Empty: all organisations.")
    points = PointSerializer(many=True)


class HistorySerializer(serializers.Serializer[Any]):
    """What happened from `since` up to `until`, by `step`."""

    step = serializers.ChoiceField(STEPS)
    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    series = SeriesSerializer(many=True)


@extend_schema(tags=["caches"])
class CacheHistoryViewSet(ViewSet):
    """What history has kept of the cache regions. The methods pass over what else the address holds."""

    permission_classes = [CachePermission]

    @extend_schema(
        summary="Statistics of the cache regions over time",
        parameters=[HistoryQuerySerializer],
        responses=forced_singular_serializer(HistorySerializer),  # type: ignore[no-untyped-call] # it has no types
    )
    def history(self, request: Request, **_: Any) -> Response:
        """Needs `caching.view_cacheregion`. Figures of all servers; those of organisations are estimates."""
        return _answer(history, HistoryQuerySerializer(data=request.query_params))

    @extend_schema(
        summary="Report of the cache regions",
        parameters=[UsageQuerySerializer],
        responses=forced_singular_serializer(UsageReportSerializer),  # type: ignore[no-untyped-call] # the same
    )
    def report(self, request: Request, **_: Any) -> Response:
        """Needs `caching.view_cacheregion`. The last 24 hours, if no time is given, of all servers."""
        return _answer(report, UsageQuerySerializer(data=request.query_params))


def _answer(made: Any, query: UsageQuerySerializer) -> Response:
    query.is_valid(raise_exception=True)
    try:
        # Not through a serializer, which takes far longer for thousands of points.
        return Response(msgspec.to_builtins(made(**query.validated_data)))
    except BadPeriod as error:
        raise ValidationError({"since": str(error)}) from error
