"""The JSON of a report is complete: no figure is counted that is not sent."""

from __future__ import annotations

import msgspec

from caching.api.serializers import CacheReportSerializer
from caching.reporting import cache_report


def test_every_figure_of_a_report_is_sent() -> None:
    report = cache_report(scope="process")

    assert CacheReportSerializer(report).data == {
        **msgspec.to_builtins(report),
        "regions": [msgspec.to_builtins(each) for each in report.regions],
    }
