"""Which clients may read the metrics without signing in: by the address that the connection comes from."""

from __future__ import annotations

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from django.core.exceptions import ImproperlyConfigured

from caching.conf import conf

__all__ = ["is_trusted", "parsed"]

Network = IPv4Network | IPv6Network


@lru_cache(maxsize=16)
def parsed(networks: tuple[str, ...]) -> tuple[Network, ...]:
    """Return the networks; raises `ImproperlyConfigured` that names the one which is none."""
    found = []
    for each in networks:
        try:
            found.append(ip_network(each))
        except ValueError as error:
            raise ImproperlyConfigured(f"CACHING['METRICS_NETWORKS'] holds {each!r}, no network: {error}.") from error
    return tuple(found)


def is_trusted(address: str) -> bool:
    """Whether an address lies in `CACHING["METRICS_NETWORKS"]`; "", as a Unix socket has none, does not.

    To be asked of the connection's own address only: headers that name another are the client's to invent.
    """
    networks = parsed(tuple(conf.METRICS_NETWORKS))
    if not networks:
        return False
    try:
        client = ip_address(address)
    except ValueError:
        return False
    # A socket that listens for both kinds of addresses shows one kind as the other.
    client = getattr(client, "ipv4_mapped", None) or client
    return any(client in network for network in networks)
