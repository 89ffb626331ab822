"""Runs made by hand, for tests of what is said about them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.machine import Machine
from benchmarks.record import Part, Record, Run
from benchmarks.results import OURS, Row, Sample, Target, Unable

MACHINE = Machine(
    cpu="Analytical Engine",
    cores=2,
    load=0.5,
    system="Linux 6",
    python="3.11.7",
    django="5.2.8",
    redis_server="Valkey 9.1.2",
    packages={"Django": "5.2.8", "cashews": "7.6.0"},
)
NO_CASHEWS = "cashews is not installed; `make bench` installs it"


def hit(ours: float = 1e-6, locmem: float = 2e-5) -> Row:
    """A row of seconds whose second peer cannot do it, with a target of each kind that a peer has."""
    return Row(
        id="local.profile",
        what="A business profile",
        samples={
            OURS: Sample((ours, ours)),
            "dictionary": Sample((1e-6, 1e-6)),
            "LocMemCache": Sample((locmem, locmem)),
            "cashews mem": Unable(NO_CASHEWS),
        },
        targets=(
            Target("at most", 1.2, "dictionary"),
            Target("faster", 8, "LocMemCache"),
            Target("faster", 8, "cashews mem"),
        ),
        note="The same object.",
    )


def size(ours: float = 381.0) -> Row:
    """A row of bytes, of one round."""
    return Row(
        id="memory.balance",
        what="A balance",
        samples={OURS: Sample((ours,)), "LocMemCache": Sample((1_200.0,))},
        targets=(Target("limit", 400),),
        unit="bytes",
    )


def record(*parts: Part, quick: bool = True, again: Sequence[Part] = ()) -> Record:
    return Record(Run("2026-01-02T03:04:05+00:00", quick, 12.3, MACHINE), parts, tuple(again))


def local(*rows: Row, error: str = "") -> Part:
    return Part("local", "A hit in local memory", 1.5, rows, error)


def memory(*rows: Row) -> Part:
    return Part("memory", "Memory", 2.5, rows)
