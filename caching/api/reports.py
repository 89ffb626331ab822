"""The JSON of a report, as the documents describe it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from caching.periods import STEPS

__all__ = ["UsageReportSerializer"]

_MS = "Milliseconds."


class OrgUsageSerializer(serializers.Serializer[Any]):
    """One organisation: estimates, as far as it was among the busiest."""

    org = serializers.CharField()
    requests = serializers.IntegerField()
    hits = serializers.IntegerField()
    misses = serializers.IntegerField()
    hit_rate = serializers.FloatField(allow_null=True, help_text="0 to 1.")
    queries_saved = serializers.IntegerField()
    database_ms_saved = serializers.FloatField(allow_null=True, help_text=_MS)


class RegionUsageSerializer(serializers.Serializer[Any]):
    """One region, or all."""

    region = serializers.CharField(allow_blank=True, help_text="Empty: all regions.")
    label = serializers.CharField()  # type: ignore[assignment] # Field.label is what DRF calls the field itself
    requests = serializers.IntegerField()
    hits = serializers.IntegerField()
    local_hits = serializers.IntegerField()
    redis_hits = serializers.IntegerField()
    misses = serializers.IntegerField()
    hit_rate = serializers.FloatField(allow_null=True, help_text="0 to 1; null without requests.")
    target = serializers.FloatField(allow_null=True, help_text="Hit rate expected, 0 to 1.")
    meets_target = serializers.BooleanField(allow_null=True)
    avg_local_ms = serializers.FloatField(allow_null=True, help_text=_MS)
    avg_redis_ms = serializers.FloatField(allow_null=True, help_text=_MS)
    avg_miss_ms = serializers.FloatField(allow_null=True, help_text=_MS)
    loads = serializers.IntegerField(help_text="How often the database was asked.")
    avg_load_ms = serializers.FloatField(allow_null=True, help_text="Mean time of one question to the database.")
    database_ms = serializers.FloatField(help_text="What the database spent on all of them.")
    queries_saved = serializers.IntegerField(help_text="Hits: values that the database was not asked for.")
    database_ms_saved = serializers.FloatField(
        allow_null=True, help_text="How much longer they would have taken as misses; null when no miss was measured."
    )
    stale = serializers.IntegerField(help_text="Reads answered with an expired value.")
    audited = serializers.IntegerField(help_text="Hits that were compared with the database.")
    violations = serializers.IntegerField(help_text="Those of them that were old.")
    bypassed = serializers.IntegerField(help_text="Misses that had to be: a writer was under way.")
    refused = serializers.IntegerField(help_text="Loads that were not kept.")
    rejected = serializers.IntegerField(help_text="Values in Redis that were of no use.")
    errors = serializers.IntegerField(help_text="Round trips that Redis did not answer.")  # type: ignore[assignment] # as above
    invalidations = serializers.IntegerField()
    evictions = serializers.IntegerField()
    entries = serializers.IntegerField()
    bytes = serializers.IntegerField(help_text="In local memory, last, of all servers.")
    peak_bytes = serializers.IntegerField(help_text="The most at the end of a minute.")


class AdviceSerializer(serializers.Serializer[Any]):
    """What is wrong and why, and what to do."""

    region = serializers.CharField()
    about = serializers.ChoiceField(["hit rate", "misses", "memory", "violations", "stale"])
    cause = serializers.CharField()
    remedy = serializers.CharField()


class PresetFitSerializer(serializers.Serializer[Any]):
    """Whether another preset fits the last days better."""

    preset = serializers.CharField(allow_null=True)
    better = serializers.CharField(allow_null=True, help_text="Null: what is set fits, or too little is known.")
    why = serializers.CharField()


class UsageReportSerializer(serializers.Serializer[Any]):
    """What the caches did from `since` up to `until`."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    step = serializers.ChoiceField(STEPS)
    region = serializers.CharField(allow_blank=True, help_text="What was asked for; empty: all.")
    org = serializers.CharField(allow_blank=True)
    kept = serializers.BooleanField(help_text="Whether history is being kept at all.")
    hosts = serializers.IntegerField(help_text="How many servers were up in that time.")
    total = RegionUsageSerializer(allow_null=True, help_text="Null when nothing is known of the time.")
    regions = RegionUsageSerializer(many=True)
    missed_targets = serializers.ListField(child=serializers.CharField())
    worst_regions = serializers.ListField(child=serializers.CharField(), help_text="The worst first.")
    busiest_orgs = OrgUsageSerializer(many=True)
    worst_orgs = OrgUsageSerializer(many=True, help_text="Those with fewer hits than all together.")
    advice = AdviceSerializer(many=True)
    preset = PresetFitSerializer()
