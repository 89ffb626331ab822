"""Which tests have something to say about a Redis of another shape than one server, told by what they ask for."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["SHAPES", "WITHOUT_REDIS", "concerns"]

#: The parameter of the fixture `tiers` for local memory alone.
WITHOUT_REDIS: Final = "local memory alone"

#: Of each value of TEST_REDIS, the fixtures that are of that shape then. A test that asks for none of them is left out:
#: it asks for no Redis, or does something to a server of one shape. Who asks for `redis` has a server hang, looks who
#: is connected, takes a command from the user; Sentinels and clusters have such tests of their own.
SHAPES: Final[dict[str, frozenset[str]]] = {
    "sentinel": frozenset({"redis_shape", "tiers", "trio"}),
    "cluster": frozenset({"redis_shape", "tiers", "cluster", "hurt"}),
    "rest": frozenset({"redis_shape", "tiers", "cable", "front", "rest_front"}),
}
# Who asks for a server here does nothing with it that a front hides: connections, users, what a listener is told, who
# is the primary, values as bytes (over REST they are base64).
_OVER_REST: Final = frozenset(
    (
        *(
            f"tests/caching/test_{part}.py"
            for part in (
                "findings_reading", "flights", "marks", "outbox", "reading", "reading_redis", "relay", "transactions",
            )
        ),
        *(f"tests/faults/test_{part}.py" for part in ("commits", "stories")),
    )
)  # fmt: skip


def concerns(item: Any, shape: str) -> bool:
    """Whether this test, as pytest collected it, is to run with a Redis of that shape."""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    # Without a Redis it is what `make test` runs.
    if parameters.get("tiers") == WITHOUT_REDIS:
        return False
    asked = set(getattr(item, "fixturenames", ()))
    if not SHAPES[shape].isdisjoint(asked):
        return True
    return shape == "rest" and not asked.isdisjoint({"redis", "stage"}) and item.nodeid.split("::")[0] in _OVER_REST
