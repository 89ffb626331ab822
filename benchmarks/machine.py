"""What the figures were measured on, for figures without their machine say nothing."""

from __future__ import annotations

import os
import platform
import re
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from benchmarks.place import Place

__all__ = ["Machine", "machine_describe"]

_REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")
_CPUINFO: Final = Path("/proc/cpuinfo")
_ALSO: Final = ("Django", "djangorestframework", "django-redis", "redis", "hiredis", "msgspec")


class Machine(msgspec.Struct, frozen=True):
    """`cores` are those this process may use; `load` is the load average of the last minute when the run began."""

    cpu: str
    cores: int
    load: float
    system: str
    python: str
    django: str
    redis_server: str
    packages: dict[str, str]


def machine_describe(place: Place) -> Machine:
    """Return the machine of this run, with the versions of the server of `place` and of what is measured beside us."""
    packages = {name: each for name in (*_ALSO, *_peers()) if (each := _version(name))}
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        load=round(os.getloadavg()[0], 2),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        django=packages["Django"],
        redis_server=_server(place),
        packages=packages,
    )


def _cpu() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", _CPUINFO.read_text(), re.MULTILINE) if _CPUINFO.exists() else None
    return found[1] if found else platform.processor() or platform.machine()


def _peers() -> list[str]:
    return re.findall(r"^([\w.-]+)", _REQUIREMENTS.read_text(), re.MULTILINE)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def _server(place: Place) -> str:
    # Imported here, for without a server nothing of this project needs it.
    from redis import Redis

    with Redis.from_url(place.redis_url) as client:
        told = client.info("server")
    return f"Valkey {told['valkey_version']}" if "valkey_version" in told else f"Redis {told['redis_version']}"
