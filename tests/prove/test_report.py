"""The verdict: figures and stale reads in, words and exit code out."""

from collections import Counter
from io import StringIO

from rich.console import Console

from tests.prove.checker import Stale
from tests.prove.history import Commit, Read
from tests.prove.report import FRESH, NOTHING_PROVED, STALE, Figures, report

WAYS = ("api_order", "admin_order", "order_by_queryset", "list_by_bulk_create", "order_by_service")


def figures(**changed: int) -> Figures:
    made = Figures(redis="with Redis", seconds=1.0, commits=9, scenarios=Counter())
    made.reads["thread"] = 100
    made.ways.update(dict.fromkeys(WAYS, 10))
    made.writers.update({"harness.writer": 10, "command.writer": 40})
    made.local_hits = made.redis_hits = 100
    for name, value in changed.items():
        setattr(made, name, value)
    return made


def verdict(made: Figures, *found: Stale, sabotage: str = "") -> tuple[int, str]:
    out = StringIO()
    console = Console(file=out, soft_wrap=True, width=400)
    return report(console, made, found, sabotage=sabotage, seed="s"), out.getvalue()


def stale() -> Stale:
    read = Read("alpha", "profile/a", 1.0, 2, "v1")
    return Stale(read, "profile/a", "v1", 1, Commit(2, "profile/a", "v2"), "why it was due")


def test_enough_reads_and_none_stale_is_a_proof():
    assert verdict(figures())[0] == FRESH


def test_a_stale_read_fails_and_is_told_in_full():
    code, words = verdict(figures(), stale())

    assert code == STALE
    for part in ("alpha", "profile/a", "'v1' (commit 1)", "'v2' (commit 2)", "why it was due", "1 stale reads"):
        assert part in words


def test_too_few_hits_prove_nothing():
    for name in ("local_hits", "redis_hits"):
        code, words = verdict(figures(**{name: 1}))
        assert code == NOTHING_PROVED
        assert "only 1 hits" in words


def test_too_few_writes_prove_nothing():
    made = figures()
    made.ways = Counter(dict.fromkeys(WAYS, 1))

    code, words = verdict(made)

    assert code == NOTHING_PROVED
    assert "only 5 writes" in words


def test_a_way_of_writing_that_nobody_took_proves_nothing():
    made = figures()
    del made.ways["admin_order"]

    code, words = verdict(made)

    assert code == NOTHING_PROVED
    assert "nobody wrote by admin_" in words


def test_a_process_that_wrote_nothing_proves_nothing():
    made = figures()
    del made.writers["command.writer"]

    code, words = verdict(made)

    assert code == NOTHING_PROVED
    assert "command wrote nothing" in words


def test_a_reader_that_hardly_read_proves_nothing():
    made = figures()
    made.reads["client"] = 1

    code, words = verdict(made)

    assert code == NOTHING_PROVED
    assert "client made only 1 reads" in words


def test_without_redis_no_hits_are_wanted_there():
    made = figures(redis_hits=0)
    made.redis = ""

    assert verdict(made)[0] == FRESH


def test_sabotage_that_is_not_caught_exits_0_so_that_it_is_noticed():
    code, words = verdict(figures(local_hits=0), sabotage="mark")

    assert code == FRESH
    assert "0 stale reads under sabotage of mark" in words
