"""The benchmark's restaurant, for the tests that measure something of it."""

from tests.benchmarks.in_process import own_regions, patient, workers_in_process
from tests.benchmarks.restaurant import caches_of_peers, restaurant, tiny_bench, without_peers

__all__ = [
    "caches_of_peers",
    "own_regions",
    "patient",
    "restaurant",
    "tiny_bench",
    "without_peers",
    "workers_in_process",
]
