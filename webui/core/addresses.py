"""Network addresses as hosts are given: by a name or by numbers."""

from __future__ import annotations

import ipaddress


def plain_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """None for a name. Brackets, as IPv6 addresses have them before a port, may stand around it."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    address = plain_address(host)
    return host.lower() == "localhost" or (address is not None and address.is_loopback)
