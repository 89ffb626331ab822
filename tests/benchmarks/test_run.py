"""A section that fails takes nothing from the others, and rows are called as the baseline will call them."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from benchmarks.progress import Progress
from benchmarks.results import OURS, Row, Sample, Target
from benchmarks.run import sections_measure


def row(name, ours=(1.0,)):
    return Row(name, "A row", {OURS: Sample(ours)}, [Target("limit", 1)])


def section(*rows, fails=None):
    def measured(bench):
        for each in rows:
            bench.say(each.what)
            yield each
        if fails is not None:
            raise fails

    return lambda: SimpleNamespace(TITLE="A title", rows=measured)


@pytest.fixture
def errors():
    return io.StringIO()


@pytest.fixture
def measured(errors):
    def measure(quick=True, **sections):
        with Progress(Console(file=errors), {}) as progress:
            return sections_measure(sections, SimpleNamespace(), quick=quick, progress=progress)

    return measure


def test_rows_come_under_their_section_in_the_order_given(measured):
    found = measured(local=section(row("local.a"), row("local.b")), memory=section(row("memory.a")))

    assert [(part.name, part.title, [each.id for each in part.rows]) for part in found] == [
        ("local", "A title", ["local.a", "local.b"]),
        ("memory", "A title", ["memory.a"]),
    ]


def test_a_section_is_given_the_place_and_the_kind_of_run(measured):
    seen = []

    def rows(bench):
        seen.append((bench.quick, bench.often(100, 3)))
        yield row("local.a")

    for quick in (True, False):
        measured(quick=quick, local=lambda: SimpleNamespace(TITLE="", rows=rows))

    assert seen == [(True, 3), (False, 100)]


def test_a_section_that_fails_keeps_its_rows_and_lets_the_others_run(measured, errors):
    found = measured(
        local=section(row("local.a"), fails=ValueError("no luck")),
        memory=section(row("memory.a")),
    )

    assert [(part.error, len(part.rows)) for part in found] == [("ValueError: no luck", 1), ("", 1)]
    assert "Traceback" in errors.getvalue()


def test_a_section_that_cannot_be_imported_fails_like_any_other(measured):
    def missing():
        raise ModuleNotFoundError("No module named 'nothing'")

    found = measured(local=missing, memory=section(row("memory.a")))

    assert found[0].error == "ModuleNotFoundError: No module named 'nothing'"
    assert found[1].rows


def test_an_interrupted_run_keeps_what_it_has_and_goes_no_further(measured):
    found = measured(
        local=section(row("local.a"), fails=KeyboardInterrupt()),
        memory=section(row("memory.a")),
    )

    assert [(part.name, part.error, len(part.rows)) for part in found] == [("local", "interrupted", 1)]


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([row("profile")], "does not begin with"),
        ([row("local.a"), row("local.a")], "already"),
        ([row("local.a", ours=())], "no median"),
    ],
)
def test_a_row_that_nobody_could_compare_fails_its_section(measured, rows, why):
    (part,) = measured(local=section(*rows))

    assert why in part.error
