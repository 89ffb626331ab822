"""System checks of who may read the metrics, and whether there is what they are written with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured

from caching.conf import conf
from caching.telemetry.networks import is_trusted, parsed

__all__ = ["check_metrics"]


@register(Tags.caches)
def check_metrics(**_: Any) -> list[CheckMessage]:
    """Check `CACHING["METRICS_NETWORKS"]`."""
    # What is no dictionary at all is said elsewhere.
    return list(_networks()) if isinstance(getattr(settings, "CACHING", {}), Mapping) else []


def _networks() -> Iterator[CheckMessage]:
    networks = conf.METRICS_NETWORKS
    if not isinstance(networks, list | tuple) or not all(isinstance(each, str) for each in networks):
        yield Error(
            f"CACHING['METRICS_NETWORKS'] must be a list of networks, not {networks!r}.",
            hint="For example ['10.0.0.0/8', '2001:db8::/32', '192.0.2.7'], or [] for signed-in users only.",
            id="caching.E031",
        )
        return
    try:
        every = [network for network in parsed(tuple(networks)) if network.prefixlen == 0]
    except ImproperlyConfigured as error:
        yield Error(
            str(error), hint="A network is written as 10.0.0.0/8, a single client as its address.", id="caching.E032"
        )
        return
    if networks and find_spec("prometheus_client") is None:
        yield Warning(
            "CACHING['METRICS_NETWORKS'] is set, and there is no prometheus-client: the metrics answer 501.",
            hint="Install prometheus-client.",
            id="caching.W025",
        )
    if every or (getattr(settings, "SECURE_PROXY_SSL_HEADER", None) and (is_trusted("127.0.0.1") or is_trusted("::1"))):
        yield Warning(
            "CACHING['METRICS_NETWORKS'] lets everybody read the metrics"
            + ("." if every else ": behind a proxy on this machine everybody comes from its address."),
            hint="Name the network of the monitoring, and let the proxy refuse the address of the metrics.",
            id="caching.W026",
        )
