"""The JSON of a report is complete: no figure is counted that is not sent."""

from __future__ import annotations

import json

import msgspec
from rest_framework.renderers import JSONRenderer

from caching.api.serializers import CacheReportSerializer
from caching.reporting import cache_report


def test_every_figure_of_a_report_is_sent() -> None:
    report = cache_report(scope="process")

    sent = json.loads(JSONRenderer().render(CacheReportSerializer(report).data))
    assert sent == json.loads(msgspec.json.encode(report))
