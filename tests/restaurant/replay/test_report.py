"""The figures of a replay: rates against targets, quantiles, queries avoided, and the verdict."""

from dataclasses import replace

from rich.console import Console

from restaurant.replay.gauge import Observation
from restaurant.replay.report import report_json, report_lines, report_make, report_table
from restaurant.replay.services import ReplayResult

HITS = [Observation("orders", "order", 1000 * each, 0) for each in range(1, 91)]
MISSES = [Observation("orders", "order", 1_000_000, 2)] * 10
OTHERS = [Observation(group, group, 2000, 0) for group in ("profile", "balance", "billing")]
RESULT = ReplayResult(
    org_id="x-replay",
    seconds=1.5,
    orders=3,
    events=19,
    observations=(*HITS, *MISSES, *OTHERS),
    compared=("order",) * 12,
    stale=(),
    undecided=(),
    retried=(),
    waited=(),
    lost=(),
)


def test_figures_of_a_group_are_of_its_reads_alone() -> None:
    report = report_make(RESULT, with_redis=False)

    orders = next(group for group in report.groups if group.group == "orders")
    assert (orders.requests, orders.hits, orders.hit_rate) == (100, 90, 0.9)
    assert (orders.hit_p50_us, orders.hit_p99_us) == (46.0, 90.0)
    assert (orders.miss_p50_us, orders.miss_p99_us) == (1000.0, 1000.0)
    assert orders.queries_avoided == 180


def test_it_passes_when_every_target_is_met_and_nothing_was_stale() -> None:
    assert report_make(RESULT, with_redis=False).passes


def test_it_fails_for_one_stale_read() -> None:
    assert not report_make(replace(RESULT, stale=("order",)), with_redis=False).passes


def test_it_fails_for_one_lost_order() -> None:
    assert not report_make(replace(RESULT, lost=(2,)), with_redis=False).passes


def test_it_fails_for_a_missed_target_and_for_a_group_that_nobody_read() -> None:
    missed = replace(RESULT, observations=(*HITS, *MISSES * 2, *OTHERS))
    unread = replace(RESULT, observations=(*HITS, *OTHERS[:2]))

    assert not report_make(missed, with_redis=False).passes
    assert not report_make(unread, with_redis=False).passes


def test_the_table_shows_rates_targets_and_times() -> None:
    console = Console(width=120)
    observations = (*HITS, *MISSES * 2, *OTHERS)
    with console.capture() as table:
        console.print(report_table(report_make(replace(RESULT, observations=observations), with_redis=True)))

    text = table.get()
    assert "with Redis" in text
    assert "81.8%" in text
    assert "85% MISSED" in text
    assert "46.0 us" in text
    assert "1.0 ms" in text


def test_the_lines_state_the_reads_per_event_and_the_comparison() -> None:
    waited = ("OperationalError",) * 7
    result = replace(RESULT, stale=("order", "order"), retried=("paid",), waited=waited, lost=(0, 2))

    text = "\n".join(report_lines(report_make(result, with_redis=False)))

    assert "3 orders, 19 events, 103 reads in 1.5 s" in text
    assert "Kitchen screen, per event: active orders x" in text
    assert "12 hits; stale: 2; undecided for writes under way: 0" in text
    assert "Writes made again, for Redis was too slow to take their mark: 1." in text
    assert "The database was away, and was asked again: 7 times." in text
    assert "Orders that are not there, or not as they were left: 2." in text
    assert "Stale reads were of: order." in text


def test_json_has_the_same_figures_as_plain_values() -> None:
    told = report_json(report_make(RESULT, with_redis=True))

    assert (told["redis"], told["passes"], told["stale"], told["compared"]) == (True, True, 0, 12)
    assert (told["lost_orders"], told["waited_for_database"]) == (0, 0)
    assert {group["group"]: group["meets_target"] for group in told["groups"]}["orders"] is True
    assert told["reads_per_event"]["billing_summary"] == 12
