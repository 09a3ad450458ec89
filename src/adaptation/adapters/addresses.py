"""Which addresses of a network may be reached: every connection asks here, and resolves here once.

Public addresses may be. What lies on this machine, in a private network or in ranges that are
reserved, also inside IPv6, may not unless the operator says so (IANA's special-purpose registries,
RFC 6890, and what clouds put beside them).
"""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from urllib.parse import urlsplit

from adaptation.adapters.masking import masked
from adaptation.errors import SourceError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_THIS_MACHINE = "this machine"
_PRIVATE = "a private address"
_LINK_LOCAL = "a link-local address"
_SHARED = "an address shared by a provider's customers"
_RESERVED = "a reserved address"
_EXAMPLES = "an address for documentation"
_MULTICAST = "a multicast address"
_CLOUD = "a cloud's own service"
_TUNNEL = "an address of a tunnel"
_DENIED = tuple(
    (ip_network(network), kind)
    for network, kind in (
        ("0.0.0.0/8", _THIS_MACHINE),  # Linux connects 0.0.0.0 to itself
        ("10.0.0.0/8", _PRIVATE),
        ("100.64.0.0/10", _SHARED),  # Alibaba's metadata among them
        ("127.0.0.0/8", _THIS_MACHINE),
        ("168.63.129.16/32", _CLOUD),  # Azure's, public by its number alone
        ("169.254.0.0/16", _LINK_LOCAL),  # the metadata of most clouds
        ("172.16.0.0/12", _PRIVATE),
        ("192.0.0.0/24", _RESERVED),  # Oracle's metadata among them
        ("192.0.2.0/24", _EXAMPLES),
        ("192.88.99.0/24", _TUNNEL),
        ("192.168.0.0/16", _PRIVATE),
        ("198.18.0.0/15", _RESERVED),
        ("198.51.100.0/24", _EXAMPLES),
        ("203.0.113.0/24", _EXAMPLES),
        ("224.0.0.0/4", _MULTICAST),
        ("240.0.0.0/4", _RESERVED),
        ("::/128", _THIS_MACHINE),
        ("::1/128", _THIS_MACHINE),
        ("64:ff9b:1::/48", _TUNNEL),  # where the IPv4 address lies is known to nobody else
        ("2001::/32", _TUNNEL),  # Teredo
        ("2001::/23", _RESERVED),
        ("2001:db8::/32", _EXAMPLES),
        ("3fff::/20", _EXAMPLES),
        ("fc00::/7", _PRIVATE),
        ("fe80::/10", _LINK_LOCAL),
        ("fec0::/10", _PRIVATE),
        ("ff00::/8", _MULTICAST),
    )
)
_PUBLIC_IPV6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""The half of an interface's number before an embedded IPv4 address, RFC 5214 §6.1."""


@dataclass(frozen=True)
class AddressPolicy:
    """What may be reached beside public addresses."""

    networks: tuple[Network, ...] = ()
    """Any address in one of these may be."""
    hosts: frozenset[str] = frozenset()
    """These may be whatever they resolve to: names in lower case, without a dot at the end."""

    def granting(self, limits: Mapping[str, object] | None) -> AddressPolicy:
        """Allow what one client may reach besides, as `allowed_networks` and `allowed_hosts` say.

        Args:
            limits: the client's own, as they are stored; None: it has none.
        """
        networks, hosts = (_words(limits or {}, name) for name in ("networks", "hosts"))
        if not networks and not hosts:
            return self
        more = (ip_network(network) for network in networks)
        return AddressPolicy(
            tuple(dict.fromkeys((*self.networks, *more))),
            self.hosts | {_plain(host) for host in hosts},
        )

    def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """Resolve a host, once, and give its addresses if every one of them may be reached.

        Args:
            host: a name, or an address in any spelling that the system understands.
            port: 1 to 65535.

        Returns:
            Addresses as numbers, the best first, never empty.

        Raises:
            SourceError: `address_forbidden`; it does not tell what a name resolves to.
            OSError: the name cannot be resolved (`socket.gaierror`).
        """
        found = _resolved(host, port)
        self._judge(host, found)
        return found

    def check_literal(self, url: str) -> None:
        """Refuse a URL whose host is an address that may not be reached; a name needs a resolver.

        Raises:
            SourceError: `address_forbidden`.
        """
        host = _host_of(url)
        try:
            found = _resolved(host, None, socket.AI_NUMERICHOST) if host else ()
        except OSError:
            return
        self._judge(host, found)

    def refusal(self, address: Address) -> str:
        """Why an address may not be reached, in a few words; empty: it may."""
        address = _unwrapped(address)
        if any(address in network for network in self.networks):
            return ""
        for network, kind in _DENIED:
            if address in network:
                return kind
        if isinstance(address, IPv4Address):
            return ""
        inner = _embedded(address)
        if address not in _PUBLIC_IPV6 and address not in _NAT64:
            return _RESERVED
        return self.refusal(inner) if inner else ""

    def _judge(self, host: str, found: Iterable[str]) -> None:
        """One bad address among good ones is enough: a connection might take it."""
        if _plain(host) in self.hosts:
            return
        for address in found:
            if kind := self.refusal(ip_address(address)):
                raise _forbidden(host, kind)


PUBLIC_ONLY = AddressPolicy()
"""Allows nothing beside public addresses."""


def _unwrapped(address: Address) -> Address:
    """An address without its scope, and as IPv4 where it is one in the clothes of IPv6."""
    if isinstance(address, IPv4Address):
        return address
    return address.ipv4_mapped or IPv6Address(int(address))


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that a gateway or tunnel would send to."""
    number = int(address)
    if address in _NAT64 or (number >> 32) & 0xFFFF_FFFF in _ISATAP:
        return IPv4Address(number & 0xFFFF_FFFF)
    return address.sixtofour


def _host_of(url: str) -> str:
    # Imported only now: most commands have to do with no network. What connects later reads the
    # URL with the same eyes, and refuses what it cannot read.
    import httpx2

    try:
        return str(httpx2.URL(url).host)
    except httpx2.InvalidURL:
        with suppress(ValueError):
            return urlsplit(url).hostname or ""
        return ""


def _resolved(host: str, port: int | None, flags: int = 0) -> tuple[str, ...]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    except UnicodeError as error:
        raise socket.gaierror(socket.EAI_NONAME, f"{host!r:.80} is no host name") from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


def _words(limits: Mapping[str, object], name: str) -> list[str]:
    """What a list of a client's names; a list without an end does not open everything."""
    found = limits.get(f"allowed_{name}")
    return found if isinstance(found, list) else []


def _plain(host: str) -> str:
    return host.lower().rstrip(".")


def _forbidden(host: str, kind: str) -> SourceError:
    return SourceError(
        f"{masked(host):.120} is {kind}, which is not reached from here",
        code="address_forbidden",
        hint="Give a public address, or have the operator allow this one: "
        "ADAPTATION_ALLOWED_NETWORKS=10.20.0.0/16 or ADAPTATION_ALLOWED_HOSTS, for all or for"
        " one client.",
    )
