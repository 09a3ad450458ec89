"""Which addresses may be reached, by their numbers alone."""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.adapters.addresses import PUBLIC_ONLY, AddressPolicy
from adaptation.errors import SourceError
from spellings import ELSEWHERE, LOOPBACK_NUMBERS, PUBLIC


def code_of(policy: AddressPolicy, url: str) -> str:
    """The code that a URL is refused with; empty: it is not."""
    try:
        policy.check_literal(url)
    except SourceError as error:
        return error.code
    return ""


@pytest.mark.parametrize("host", [*LOOPBACK_NUMBERS, *ELSEWHERE])
def test_no_spelling_of_what_is_not_public_passes(host: str) -> None:
    refused = code_of(PUBLIC_ONLY, f"http://{host}:8000/film.mp4")
    # With a dot at its end it is a name, which a resolver refuses.
    assert refused == ("" if host.endswith(".") else "address_forbidden")


@pytest.mark.parametrize("address", PUBLIC)
def test_what_is_public_passes_up_to_the_edges_of_what_is_not(address: str) -> None:
    assert PUBLIC_ONLY.refusal(ip_address(address)) == ""
    host = f"[{address}]" if ":" in address else address
    assert code_of(PUBLIC_ONLY, f"http://{host}/film.mp4") == ""


@given(st.ip_addresses(v=4))
def test_ipv4_in_the_clothes_of_ipv6_is_judged_as_what_it_is(address: IPv4Address) -> None:
    kind = PUBLIC_ONLY.refusal(address)
    number = int(address)
    for wrapped in (
        IPv6Address(f"::ffff:{address}"),
        IPv6Address((0x64FF9B << 96) | number),
        IPv6Address((0x2002 << 112) | (number << 80) | 1),
        IPv6Address((0x2600 << 112) | (0x5EFE << 32) | number),
    ):
        assert PUBLIC_ONLY.refusal(wrapped) == kind, wrapped


@given(st.ip_addresses())
def test_what_python_calls_private_never_passes(address: IPv4Address | IPv6Address) -> None:
    carries = isinstance(address, IPv6Address) and (
        address.ipv4_mapped is not None or address in ip_network("64:ff9b::/96")
    )
    if address.is_private or address.is_multicast or address.is_reserved or address.is_loopback:
        assert PUBLIC_ONLY.refusal(address) or carries


def test_a_network_is_opened_by_its_own_numbers_and_no_further() -> None:
    policy = AddressPolicy((ip_network("10.20.0.0/16"), ip_network("fd12::/16")))
    assert not policy.refusal(ip_address("10.20.255.255"))
    assert not policy.refusal(ip_address("::ffff:10.20.0.1"))
    assert not policy.refusal(ip_address("fd12::7"))
    assert policy.refusal(ip_address("10.21.0.0")) == "a private address"
    assert policy.refusal(ip_address("fd13::7")) == "a private address"
    assert policy.refusal(ip_address("127.0.0.1")) == "this machine"


def test_a_host_is_opened_by_its_name_and_not_by_its_address() -> None:
    policy = PUBLIC_ONLY.granting({"allowed_hosts": ["LocalHost."]})
    assert policy.addresses("LOCALHOST", 80)
    assert policy.addresses("localhost", 80)
    assert code_of(policy, "http://127.0.0.1/") == "address_forbidden"
    with pytest.raises(SourceError, match=r"127\.0\.0\.1 is this machine"):
        policy.addresses("127.0.0.1", 80)


def test_what_one_client_may_reach_besides_does_not_change_what_others_may() -> None:
    for_all = AddressPolicy((ip_network("10.0.0.0/8"),), frozenset({"nas.lan"}))
    own = {"allowed_networks": ["192.168.0.0/16"], "allowed_hosts": ["origin.lan"]}
    for_one = for_all.granting(own)
    assert not for_one.refusal(ip_address("192.168.1.1"))
    assert not for_one.refusal(ip_address("10.1.1.1"))
    assert for_one.hosts == {"nas.lan", "origin.lan"}
    assert for_all.refusal(ip_address("192.168.1.1"))
    # A list that has no end, as of a number without a limit, does not open everything.
    assert for_all.granting({"allowed_networks": None, "allowed_hosts": []}) == for_all
    assert for_all.granting(None) == for_all


def test_an_error_says_what_the_address_is_and_which_setting_would_allow_it() -> None:
    with pytest.raises(SourceError) as caught:
        PUBLIC_ONLY.addresses("192.168.7.7", 80)
    assert str(caught.value) == "192.168.7.7 is a private address, which is not reached from here"
    assert caught.value.code == "address_forbidden"
    assert not caught.value.retryable
    assert "ADAPTATION_ALLOWED_NETWORKS" in caught.value.hint


@pytest.mark.parametrize("host", ["a" * 70, "a..b", "b\u00fccher." + "x" * 300, "no.such.invalid"])
def test_what_cannot_be_resolved_is_an_error_of_the_network(host: str) -> None:
    with pytest.raises(socket.gaierror):
        PUBLIC_ONLY.addresses(host, 80)
