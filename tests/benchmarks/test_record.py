"""The file of results: its documented keys, and that nothing gets lost on the way."""

import json
import re

import msgspec
import pytest

from benchmarks import record as module
from benchmarks.record import record_read, record_write
from benchmarks.results import OURS
from tests.benchmarks.records import NO_CASHEWS, hit, local, memory, record, size


@pytest.fixture
def path(tmp_path):
    return tmp_path / "results" / "latest.json"


def written(path, *parts):
    record_write(path, record(*parts))
    return json.loads(path.read_bytes())


def test_what_was_written_is_read_again(path):
    whole = record(local(hit(), error="ValueError: no luck"), memory(size()))
    record_write(path, whole)

    assert record_read(path) == whole


def test_what_was_measured_a_second_time_is_kept_beside_the_first(path):
    whole = record(local(hit(ours=1.5e-6)), memory(size()), again=[local(hit())])
    record_write(path, whole)

    assert record_read(path) == whole
    document = json.loads(path.read_bytes())
    assert [row["section"] for row in document["rows"]] == ["local", "memory"]
    assert [row["samples"][OURS]["median"] for row in document["again"]["rows"]] == [1e-6]
    assert document["again"]["sections"][0]["name"] == "local"


def test_a_file_that_does_not_say_whether_it_was_measured_again_is_read(path):
    document = written(path, local(hit()))
    del document["again"]
    path.write_text(json.dumps(document))

    assert record_read(path) == record(local(hit()))


def test_a_row_has_its_figures_and_the_reasons(path):
    (row,) = written(path, local(hit()))["rows"]

    assert (row["id"], row["section"], row["unit"]) == ("local.profile", "local", "s")
    assert row["samples"][OURS] == {"median": 1e-6, "p99": 1e-6, "rounds": [1e-6, 1e-6]}
    assert row["samples"]["cashews mem"] == {"unable": NO_CASHEWS}


def test_a_target_has_what_was_reached_and_the_verdict(path):
    (row,) = written(path, local(hit()))["rows"]

    assert row["targets"][0] == {
        "kind": "at most",
        "bound": 1.2,
        "peer": "dictionary",
        "reached": 1.0,
        "verdict": "ok",
    }
    assert (row["targets"][2]["reached"], row["targets"][2]["verdict"]) == (None, "unable")


def test_the_file_holds_this_run_alone(path):
    written(path, local(hit()), memory(size()))

    assert [row["id"] for row in written(path, memory(size()))["rows"]] == ["memory.balance"]


def test_every_key_is_documented(path):
    document = written(path, local(hit()))
    (row,) = document["rows"]
    keys = {*document, *document["run"], *document["sections"][0], *row, *row["targets"][0]}
    keys |= {key for sample in row["samples"].values() for key in sample}

    assert keys <= set(re.findall(r"[\w]+", module.__doc__))


def test_a_file_of_another_schema_is_refused(path):
    document = written(path, local(hit()))
    path.write_text(json.dumps({**document, "schema": 0}))

    with pytest.raises(msgspec.ValidationError, match="schema 0"):
        record_read(path)
