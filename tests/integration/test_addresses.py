"""No client reaches what is not public: a canary on this machine counts who connects to it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_network
from pathlib import Path

import pytest

import canary
import fault_server
from adaptation.adapters.addresses import PUBLIC_ONLY, AddressPolicy
from adaptation.adapters.semaphore import answers_well
from adaptation.adapters.web import fetch
from adaptation.adapters.webhook import Sender
from adaptation.errors import AdaptationError, SourceError
from canary import Canary
from services import need_command
from spellings import ELSEWHERE, LOOPBACK_NAMES, LOOPBACK_NUMBERS, own_names

HOSTS = (*LOOPBACK_NUMBERS, *LOOPBACK_NAMES, *own_names())
EVERYTHING = AddressPolicy((ip_network("0.0.0.0/0"), ip_network("::/0")))
Reach = Callable[[str, AddressPolicy], str]
"""(URL, policy) -> the code of what came of it; empty: it was reached."""


@pytest.fixture
def everywhere() -> Iterator[Canary]:
    with canary.listening() as found:
        yield found


@pytest.fixture
def by_fetching(tmp_path: Path) -> Reach:
    def reach(url: str, policy: AddressPolicy) -> str:
        try:
            fetch(url, tmp_path / "source", policy=policy, retries=0)
        except AdaptationError as error:
            return error.code
        return ""

    return reach


def by_asking(url: str, policy: AddressPolicy) -> str:
    """Ask a semaphore."""
    try:
        return "" if answers_well(url, threading.Event(), policy=policy) else "no"
    except SourceError as error:
        return error.code


def by_calling_back(url: str, policy: AddressPolicy) -> str:
    """Send a callback."""

    async def send() -> str:
        sender = Sender(5.0, policy=policy)
        try:
            answer = await sender.send(url, b"{}", {})
        finally:
            await sender.close()
        return "" if answer.is_good else answer.text

    return asyncio.run(send())


@pytest.fixture(params=["source", "semaphore", "callback"])
def reach(request: pytest.FixtureRequest) -> Reach:
    """The ways out, one after the other."""
    found: dict[str, Reach] = {"semaphore": by_asking, "callback": by_calling_back}
    if request.param in found:
        return found[request.param]
    by_fetching: Reach = request.getfixturevalue("by_fetching")
    return by_fetching


def test_no_spelling_of_this_machine_is_connected_to(reach: Reach, everywhere: Canary) -> None:
    outcomes = {
        host: reach(f"http://{host}:{everywhere.port}/film.mp4", PUBLIC_ONLY) for host in HOSTS
    }
    assert everywhere.hits == 0
    assert all(outcomes.values()), outcomes
    refused = [host for host, code in outcomes.items() if "not reached" in code or "_f" in code]
    assert len(refused) >= 60


def test_the_same_spellings_reach_it_once_all_is_allowed(
    by_fetching: Reach, everywhere: Canary
) -> None:
    urls = [f"http://{host}:{everywhere.port}/film.mp4" for host in HOSTS]
    reached = [url for url in urls if not by_fetching(url, EVERYTHING)]
    assert everywhere.hits >= len(reached) >= 60, "else the other tests prove nothing"


def test_no_other_place_is_connected_to(by_fetching: Reach) -> None:
    for host in ELSEWHERE:
        code = by_fetching(f"http://{host}/film.mp4", PUBLIC_ONLY)
        # Zeros before numbers are refused as no address at all.
        octal = host.startswith("0") and host.count(".") == 3
        assert code == ("source_url" if octal else "address_forbidden"), host


def test_a_redirect_is_judged_again(by_fetching: Reach, everywhere: Canary) -> None:
    first = AddressPolicy((ip_network("127.0.0.3/32"),))
    with fault_server.running("127.0.0.3") as server:
        for number, host in enumerate(HOSTS):
            leads = f"http://{host}:{everywhere.port}/film.mp4"
            assert by_fetching(server.redirect(f"/{number}", leads), first), host
        assert len(server.requests) == len(HOSTS)
    assert everywhere.hits == 0


def test_a_redirect_into_an_allowed_network_is_followed(
    by_fetching: Reach, everywhere: Canary
) -> None:
    policy = AddressPolicy((ip_network("127.0.0.2/32"), ip_network("127.0.0.9/32")))
    with fault_server.running("127.0.0.2") as server:
        url = server.redirect("/film.mp4", f"http://127.0.0.9:{everywhere.port}/film.mp4")
        assert by_fetching(url, policy) == ""
    assert everywhere.hits == 1


def test_an_allowed_network_is_reached_and_what_lies_beside_it_is_not(
    reach: Reach, everywhere: Canary
) -> None:
    policy = AddressPolicy((ip_network("127.20.0.0/16"),))
    assert reach(f"http://127.20.3.4:{everywhere.port}/", policy) == ""
    assert reach(f"http://[::ffff:127.20.3.4]:{everywhere.port}/", policy) == ""
    assert everywhere.hits == 2
    assert reach(f"http://127.21.0.1:{everywhere.port}/", policy)
    assert reach(f"http://localhost:{everywhere.port}/", policy)
    assert everywhere.hits == 2


def test_an_allowed_host_is_reached_by_its_name(reach: Reach, everywhere: Canary) -> None:
    policy = AddressPolicy(hosts=frozenset({"localhost"}))
    assert reach(f"http://LOCALHOST:{everywhere.port}/", policy) == ""
    assert everywhere.hits == 1
    assert reach(f"http://127.0.0.1:{everywhere.port}/", policy)
    assert everywhere.hits == 1


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch) -> Resolver:
    found = Resolver(socket.getaddrinfo)
    monkeypatch.setattr(socket, "getaddrinfo", found)
    return found


class Resolver:
    """A name server that an attacker owns: `rebind.test` is what `answers` say, in turn."""

    def __init__(self, real: Callable[..., Sequence[object]]) -> None:
        self.real = real
        self.answers: list[list[str]] = []
        self.asked = 0

    def __call__(self, host: object, port: object, *args: object, **more: object) -> list[object]:
        if host not in {"rebind.test", b"rebind.test"}:
            return list(self.real(host, port, *args, **more))
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, port))
            for address in answer
        ]


def test_a_name_that_changes_after_it_was_judged_leads_where_it_was_judged(
    reach: Reach, resolver: Resolver
) -> None:
    policy = AddressPolicy((ip_network("127.0.0.2/32"),))
    with canary.listening("127.0.0.2") as good, canary.listening("127.0.0.1", good.port) as bad:
        for _ in range(3):
            resolver.answers, resolver.asked = [["127.0.0.2"], ["127.0.0.1"]], 0
            assert reach(f"http://rebind.test:{good.port}/film.mp4", policy) == ""
            assert resolver.asked == 1, "what is resolved again may be something else"
        assert (good.hits, bad.hits) == (3, 0)


@pytest.mark.parametrize(
    "answer", [["127.0.0.1"], ["127.0.0.2", "127.0.0.1"], ["127.0.0.1", "127.0.0.2"]]
)
def test_one_bad_address_among_good_ones_is_enough(
    reach: Reach, resolver: Resolver, everywhere: Canary, answer: list[str]
) -> None:
    resolver.answers = [answer]
    policy = AddressPolicy((ip_network("127.0.0.2/32"),))
    assert reach(f"http://rebind.test:{everywhere.port}/film.mp4", policy)
    assert everywhere.hits == 0


def test_the_second_address_is_tried_where_the_first_does_not_answer(
    reach: Reach, resolver: Resolver
) -> None:
    policy = AddressPolicy((ip_network("127.0.0.0/8"),))
    with canary.listening("127.0.0.2") as second:
        resolver.answers = [["127.0.0.3", "127.0.0.2"]]
        assert reach(f"http://rebind.test:{second.port}/film.mp4", policy) == ""
        assert second.hits == 1


def test_the_server_is_told_the_name_and_not_the_number(
    by_fetching: Reach, resolver: Resolver
) -> None:
    policy = AddressPolicy((ip_network("127.0.0.0/8"),))
    resolver.answers = [["127.0.0.2"]]
    with fault_server.running("127.0.0.2") as server:
        server.add("/film.mp4", fault_server.Resource(b"film"))
        assert by_fetching(f"http://rebind.test:{server.server_port}/film.mp4", policy) == ""
        assert server.requests[0].headers["host"] == f"rebind.test:{server.server_port}"


def certificate(folder: Path, name: str) -> Path:
    """A certificate of a host, and its key, in one file."""
    openssl = need_command("openssl", package="openssl")
    made = folder / f"{name}.pem"
    options = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    options += [
        "-addext",
        f"subjectAltName=DNS:{name}",
        "-keyout",
        f"{made}.key",
        "-out",
        str(made),
    ]
    subprocess.run([openssl, "req", *options], check=True, capture_output=True)
    made.write_text(made.read_text() + Path(f"{made}.key").read_text())
    return made


@pytest.mark.parametrize(
    ("name", "outcome"), [("rebind.test", ""), ("other.test", "source_certificate")]
)
def test_a_certificate_is_held_against_the_name_and_not_the_number(
    by_fetching: Reach,
    resolver: Resolver,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    outcome: str,
) -> None:
    made = certificate(tmp_path, name)
    monkeypatch.setenv("SSL_CERT_FILE", str(made))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made)
    resolver.answers = [["127.0.0.2"]]
    policy = AddressPolicy((ip_network("127.0.0.2/32"),))
    with fault_server.running("127.0.0.2", context) as server:
        server.add("/film.mp4", fault_server.Resource(b"film"))
        assert by_fetching(f"https://rebind.test:{server.server_port}/film.mp4", policy) == outcome


def test_no_proxy_of_the_environment_is_used(
    reach: Reach, everywhere: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{everywhere.port}")
    with canary.listening("127.0.0.2") as good:
        policy = AddressPolicy((ip_network("127.0.0.2/32"),))
        assert reach(f"http://127.0.0.2:{good.port}/film.mp4", policy) == ""
    assert everywhere.hits == 0
