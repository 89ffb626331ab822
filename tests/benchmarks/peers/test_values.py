"""The five values: ours, and what others keep for the same purpose."""

import json

from rest_framework.renderers import JSONRenderer

from benchmarks.peers.values import body_of, load_anew, values_all


def test_the_data_of_others_are_rendered_to_the_json_that_we_send(restaurant):
    values = {value.name: value for value in values_all()}
    rendered = {name: json.loads(JSONRenderer().render(value.data)) for name, value in values.items()}

    assert list(values) == ["profile", "active", "order", "bill", "balance"]
    # Of a list it is kept without the count.
    assert len(rendered["active"]) == 3
    rendered["active"] = {"count": 3, "results": rendered["active"]}
    assert rendered == {name: json.loads(body_of(value)) for name, value in values.items()}


def test_a_read_is_answered_by_the_region_and_kept_under_the_key(restaurant):
    for value in values_all():
        value.read()
        hits = value.region.counters.local_hits

        value.read()

        assert value.region.counters.local_hits == hits + 1, value.name
        assert value.region.hit(value.key.local) is not None, value.name


def test_its_size_is_told_with_it(restaurant):
    sizes = {value.name: value.what for value in values_all()}

    assert sizes["profile"] == "Business profile, 1.6 KB"
    assert sizes["bill"].endswith(" bytes")


def test_all_that_a_value_is_made_of_is_loaded_anew(redis, restaurant):
    active = values_all()[1]
    active.read()
    loads = active.region.counters.loads, active.region.items.counters.loads

    load_anew(active)

    assert (active.region.counters.loads, active.region.items.counters.loads) == (loads[0] + 1, loads[1] + 1)
    assert active.region.hit(active.key.local) is not None
