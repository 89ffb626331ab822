"""What is measured beside us: each peer keeps a value as its users would and reads it back; and how all are timed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Protocol, runtime_checkable

from benchmarks.peers.values import Value
from benchmarks.results import Sample, Unable
from benchmarks.timing import Call, Timer, compare

__all__ = ["Checked", "Peer", "Reading", "absence", "measure", "proved"]

#: What is timed, or why it cannot be.
Reading = Call | Timer | Unable


class Peer(Protocol):
    """A cache, or a floor below which no cache can be; `name` is that of its samples."""

    name: str

    @abstractmethod
    def reading(self, value: Value) -> Reading:
        """Keep the value and return the call that reads it back."""
        ...

    @abstractmethod
    def close(self) -> None:
        """Give back what it holds."""
        ...


@runtime_checkable
class Checked(Protocol):
    """A timer that knows after its rounds whether it did what it was measured for."""

    def doubt(self) -> Unable | None:
        """Return why its figures count for nothing, None when they count."""
        ...


def absence(package: str, module: str) -> Unable | None:
    """Return why a peer cannot be measured when its module is not there."""
    try:
        found = find_spec(module)
    except ModuleNotFoundError:
        found = None
    return None if found else Unable(f"{package} is not installed; `make bench` installs it.")


def proved(call: Callable[[], object], expected: object) -> Reading:
    """Return the call, once it has returned what was kept: many caches answer trouble with "not found"."""
    found = call()
    return call if found == expected else Unable(f"It did not return what was kept, but {type(found).__name__}.")


def measure(
    readings: Mapping[str, Reading], *, rounds: int, before: Call | None = None, per: int = 1
) -> dict[str, Sample | Unable]:
    """Return seconds of each by `compare`, and why of those that cannot be measured; a call does the work of `per`."""
    able = {name: each for name, each in readings.items() if not isinstance(each, Unable)}
    found = compare(able, rounds=rounds, before=before)
    samples: dict[str, Sample | Unable] = {}
    for name, reading in readings.items():
        doubt = reading.doubt() if isinstance(reading, Checked) else None
        if isinstance(reading, Unable):
            samples[name] = reading
        else:
            samples[name] = doubt or Sample(tuple(each / per for each in found[name].rounds))
    return samples
