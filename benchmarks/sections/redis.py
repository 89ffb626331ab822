"""A hit in Redis, where another process has put the value: beside clients, caches and the server's bare answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any, Final

import redis
import redis.asyncio
from django.core.cache import caches
from rest_framework.renderers import JSONRenderer

from benchmarks.bench import Bench
from benchmarks.peers import Peer, Reading, measure, proved
from benchmarks.peers.cashews import CashewsCopy, CashewsRedis
from benchmarks.peers.django_caches import DjangoCache
from benchmarks.peers.dogpile import DogpileRedis
from benchmarks.peers.floors import BareSocket, RedisPy
from benchmarks.peers.query_caches import QueryCache
from benchmarks.peers.values import Value, body_of, load_anew, values_all
from benchmarks.results import OURS, Row, Sample, Target, Unable
from benchmarks.serializers import ProfileSerializer
from benchmarks.served import Served, forget_locally, without_local
from benchmarks.timing import InLoop
from benchmarks.world import ORG, organisations_create, organisations_delete
from caching.epochs import guard_names
from caching.keys import Key
from orders.cached import order
from orders.selectors import order_refs_active
from restaurant.fast_access import get_business_profile_cache, get_order_fast_access_cache
from restaurant.profiles.cached import profile
from restaurant.profiles.selectors import profiles_get

__all__ = ["TITLE", "rows"]

TITLE: Final = "A hit in Redis"

# Organisations of a batch, and coroutines at once.
_BATCH: Final = 1000
_AT_ONCE: Final = 100

_TARGETS: Final = {"profile": (Target("at most", 0.9, "redis-py GET"), Target("faster", 2, "django-redis"))}
_NOTES: Final = {
    "profile": "Ours checks and decodes the answer, puts it into local memory and is made to forget it there, all "
    "within its time. Socket and redis-py get the same bytes and decode nothing. The caches keep the serializer's data "
    "(pickled), cacheops rows (pickled). cashews forgets its copy in memory within its time, or answers from it.",
    "balance": "Ours has the organisation's lite profile, which tells the country of the number, in local memory.",
}
# What the threads of this process and the count itself send.
_NOT_READS: Final = {"ping", "info", "client"}


def rows(bench: Bench) -> Iterator[Row]:
    """Measure a hit of four values, then many at once: coroutines, the active orders' body, a batch of profiles."""
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        stack.callback(get_order_fast_access_cache().clear_all)
        stack.callback(get_business_profile_cache().clear_all_caches)
        peers = _peers(bench, runner, stack)
        values = {value.name: value for value in values_all()}
        for name in ("profile", "order", "balance", "bill"):
            bench.say(f"{values[name].label} in Redis")
            yield _row(bench, values[name], peers)
        bench.say("Active orders from Redis to an HTTP body")
        yield _body_row(bench, values["active"], stack)
        bench.say(f"{_BATCH:,} organisations")
        orgs = organisations_create(_BATCH)
        stack.callback(organisations_delete, orgs)
        get_business_profile_cache().get_profiles_batch(orgs)
        bench.say(f"{_AT_ONCE} coroutines at once")
        yield _async_row(bench, runner, orgs[:_AT_ONCE])
        bench.say(f"{_BATCH:,} profiles at once")
        yield _bulk_row(bench, orgs, stack)
        yield _trips_row(bench, orgs)


def _peers(bench: Bench, runner: asyncio.Runner, stack: ExitStack) -> list[Peer]:
    # The server's databases 1 and 2 are those of the benchmark's CACHES, 3 is cacheops'.
    server = bench.place.redis_url.removesuffix("/0")
    # The worker first: it takes its time to start, more than a quick run has.
    cacheops = [] if bench.quick else [QueryCache("cacheops", "django-cacheops", "cacheops", bench.place)]
    peers: list[Peer] = [
        BareSocket(bench.place.redis_url),
        RedisPy(bench.place.redis_url),
        DjangoCache("Django RedisCache", "django-core-redis"),
        DjangoCache("django-redis", "django-redis"),
        DogpileRedis(f"{server}/4"),
        CashewsRedis(runner, f"{server}/5"),
        CashewsCopy(runner, f"{server}/6"),
        *cacheops,
    ]
    for peer in peers:
        stack.callback(peer.close)
    return peers


def _row(bench: Bench, value: Value, peers: Sequence[Peer]) -> Row:
    load_anew(value)
    readings = {peer.name: peer.reading(value) for peer in peers}
    ours = Served(without_local(value.read, value.key), value.region, "redis_hits")
    samples = measure({OURS: ours, **readings}, rounds=bench.often(200, 10))
    what, note = f"{value.what}, from Redis", _NOTES.get(value.name, "")
    return Row(f"redis.{value.name}", what, samples, _TARGETS.get(value.name, ()), note=note)


# --- many at once -----------------------------------------------------------------------------------------------------


def _measured(
    bench: Bench, readings: Mapping[str, Reading], keys: Sequence[Key], *, per: int = 1
) -> dict[str, Sample | Unable]:
    """Measure reads of these keys, which local memory is made to forget before each and not within its time."""
    return measure(readings, rounds=bench.often(100, 6), before=partial(forget_locally, keys), per=per)


def _batch_read(orgs: Sequence[str]) -> Served:
    return Served(partial(get_business_profile_cache().get_profiles_batch, orgs), profile, "redis_hits")


def _body_row(bench: Bench, value: Value, stack: ExitStack) -> Row:
    load_anew(value)
    keys = [value.key, *(order.key(ORG, pk) for pk, _ in order_refs_active(org_id=ORG))]
    django_redis = DjangoCache("django-redis", "django-redis")
    stack.callback(django_redis.close)
    theirs = _rendered(django_redis.reading(value), body_of(value))
    ours = Served(partial(body_of, value), value.region, "redis_hits")
    samples = _measured(bench, {OURS: ours, "django-redis and DRF": theirs}, keys)
    return Row(
        "redis.active-body",
        f"{value.what}, from Redis to an HTTP body",
        samples,
        (Target("faster", 30, "django-redis and DRF"),),
        note="Ours joins the orders' JSON, as the view sends it; the other renders the serializer's data that it gets.",
    )


def _rendered(get: Reading, ours: bytes) -> Reading:
    if not callable(get):
        return get
    call: Callable[[], Any] = get

    def body() -> bytes:
        found = call()
        rendered: bytes = JSONRenderer().render({"count": len(found), "results": found})
        return rendered

    return body if json.loads(body()) == json.loads(ours) else Unable("Its JSON is not that of our API.")


def _async_row(bench: Bench, runner: asyncio.Runner, orgs: Sequence[str]) -> Row:
    profiles, keys = get_business_profile_cache(), [profile.key(org) for org in orgs]
    client = redis.asyncio.Redis.from_url(bench.place.redis_url)
    names = [guard_names(key)[0] for key in keys]

    async def ours() -> object:
        return await asyncio.gather(*(profiles.aget_profile(org) for org in orgs))

    async def theirs() -> object:
        return await asyncio.gather(*(client.get(name) for name in names))

    async def expected() -> object:
        return await client.mget(names)

    try:
        readings = {
            OURS: Served(InLoop(runner, ours), profile, "redis_hits"),
            "redis.asyncio GET": proved(InLoop(runner, theirs), runner.run(expected())),
        }
        samples = _measured(bench, readings, keys, per=len(orgs))
    finally:
        runner.run(client.aclose())
    return Row(
        "redis.async",
        f"Business profile from Redis, {len(orgs)} coroutines at once",
        samples,
        (Target("faster", 5, "redis.asyncio GET"),),
        note="Each reads another organisation's; per profile. redis.asyncio gets the same bytes, through its pool.",
    )


def _bulk_row(bench: Bench, orgs: Sequence[str], stack: ExitStack) -> Row:
    keys = [profile.key(org) for org in orgs]
    names = [guard_names(key)[0] for key in keys]
    client = stack.enter_context(redis.Redis.from_url(bench.place.redis_url, single_connection_client=True))
    cache = caches["django-redis"]
    kept = {each["org_id"]: each for each in ProfileSerializer(profiles_get(org_ids=orgs), many=True).data}
    cache.set_many(kept)
    stack.callback(cache.delete_many, orgs)
    readings = {
        OURS: _batch_read(orgs),
        "django-redis": proved(partial(cache.get_many, orgs), kept),
        "redis-py MGET": partial(client.mget, names),
    }
    samples = _measured(bench, readings, keys)
    return Row(
        "redis.bulk",
        f"Business profiles of {len(orgs):,} organisations from Redis",
        samples,
        (Target("faster", 3, "django-redis"),),
        note="Ours decodes all and puts them into local memory; redis-py gets the same bytes and decodes nothing.",
    )


def _trips_row(bench: Bench, orgs: Sequence[str]) -> Row:
    keys = [profile.key(org) for org in orgs]
    read = _batch_read(orgs)
    sent: list[float] = []
    with redis.Redis.from_url(bench.place.redis_url) as client:
        for _ in range(bench.often(20, 3)):
            forget_locally(keys)
            before = _commands(client)
            read.seconds_per_call(1)
            sent.append(_commands(client) - before)
    return Row(
        "redis.bulk-trips",
        "Round trips for that batch",
        {OURS: read.doubt() or Sample(tuple(sent))},
        (Target("limit", 1),),
        unit="x",
        note="The commands that the server counted (INFO commandstats): there can be no more trips than those.",
    )


def _commands(client: Any) -> int:
    statistics: dict[str, dict[str, int]] = client.info("commandstats")
    # A command of several words is counted by each of them: "cmdstat_client|id".
    reads = (name for name in statistics if name.removeprefix("cmdstat_").partition("|")[0] not in _NOT_READS)
    return sum(statistics[name]["calls"] for name in reads)
