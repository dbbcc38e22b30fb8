"""Every way known to lead the dispatcher to an address that it must not reach, judged by a canary."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, example, given, settings
from urllib3.util import parse_url

from dispatch.addresses import AddressPolicy
from dispatch.requests_transport import RequestsTransport
from dispatch.states import Outcome
from subscriptions.endpoint_urls import InvalidUrl, check_url
from tests.dispatch.canary import Canary, canary_everywhere
from tests.dispatch.sending import send, transporting
from tests.dispatch.test_addresses import NEVER, SPECIAL, ends
from tests.subscriptions.test_endpoint_urls import URLS

PUBLIC, PUBLIC_6 = "93.184.216.34", "2606:2800:220:1::1"
NAME = "receiver.example"


@dataclass(frozen=True)
class Case:
    """A URL, what its names mean, and whether it leads to a connection where nobody guards."""

    url: str
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    # None where it depends on the machine.
    connects: bool | None = True


def at(
    *hosts: str, names: Mapping[str, Sequence[str]] = MappingProxyType({}), connects: bool | None = True
) -> list[Case]:
    return [Case(f"http://{host}/hooks", names, connects=connects) for host in hosts]


def answered(*addresses: str) -> Case:
    return Case(f"http://{NAME}/hooks", {NAME: addresses})


SPECIAL_ADDRESSES = list(dict.fromkeys(ends([*SPECIAL, *NEVER])))
CASES: dict[str, list[Case]] = {
    "an address of a special network": [
        Case(f"http://[{address}]/" if ":" in address else f"http://{address}/") for address in SPECIAL_ADDRESSES
    ],
    "a name with an address of a special network": [answered(address) for address in SPECIAL_ADDRESSES],
    "a number": at(
        "2130706433",
        "0x7f000001",
        "0X7F.0X0.0X0.0X1",
        "0x7f.1",
        "0x7f.0.1",
        "017700000001",
        "0177.0.0.1",
        "0177.0.0.01",
        "00000177.1",
        "127.1",
        "127.0.1",
        "127.65535",
        "0",
        "0x0",
        "0.0",
        "10.1",
        "192.168.257",
        "3232235521",
        "2852039166",
        "0xa9fea9fe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "0xa9.0376.43518",
    ),
    "a number that is too large": at("4294967296", "256.0.0.1", "127.0.0.1.", "1.2.3.4.5", connects=False),
    "digits and dots beyond ASCII": at(
        "①②⑦.⓪.⓪.①",
        "⑯⑨.②⑤④.⑯⑨.②⑤④",
        "\uff11\uff12\uff17.0.0.1",
        "\u0661\u0662\u0667.\u0660.\u0660.\u0661",
        "१२७.0.0.1",
        "\U0001d7ed\U0001d7ee\U0001d7f3.\U0001d7ec.\U0001d7ec.\U0001d7ed",
        "127。0。0。1",
        "127\uff0e0\uff0e0\uff0e1",
        "127｡0｡0｡1",
        "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
        "loc\u00adalhost",
        "[::①]",
        connects=False,
        names={"localhost": ["127.0.0.1"]},
    ),
    "an IPv4 address within an IPv6 address": at(
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::FFFF:7F00:0001]",
        "[0:0:0:0:0:ffff:127.0.0.1]",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[::ffff:0.0.0.0]",
        "[::ffff:100.100.100.200]",
        "[::127.0.0.1]",
        "[::169.254.169.254]",
        "[::ffff:0:127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b::10.0.0.1]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b:1::10.0.0.1]",
        "[64:ff9b:1:a00:0:100::]",
        "[64:ff9b:1:a9fe:a9:fe00::]",
        "[2002:7f00:1::]",
        "[2002:a00:1::1]",
        "[2002:a9fe:a9fe::1]",
        "[2001:0:7f00:1::]",
        "[2001:0:a9fe:a9fe::1]",
        "[2001:0:808:808:0:0:80ff:fffe]",
        "[2001:0:808:808:0:0:5601:5601]",
        "[2606:2800:220:1:0:5efe:127.0.0.1]",
        "[2606:2800:220:1:200:5efe:10.0.0.1]",
        "[fe80::5efe:169.254.169.254]",
    ),
    "user information": at(
        f"{NAME}@127.0.0.1",
        f"{NAME}:80@127.0.0.1",
        f"user:{NAME}@127.0.0.1",
        f"{PUBLIC}@127.0.0.1",
        "a@b@127.0.0.1",
        f"127.0.0.1\n@{NAME}",
        f"127.0.0.1@{NAME}",
        f"127.0.0.1:80%23@{NAME}",
        f":@{NAME}",
        "@[::1]",
        names={NAME: ["10.0.0.1"]},
    ),
    "a backslash": at(
        f"{NAME}\\@127.0.0.1",
        f"127.0.0.1\\@{NAME}",
        f"127.0.0.1:80\\@{NAME}:80",
        "127.0.0.1\\",
        f"{NAME}\\.127.0.0.1",
        names={NAME: ["10.0.0.1"]},
    ),
    "a percent sign": at(
        "127.0.0.%31",
        "%31%32%37.0.0.1",
        "127%2e0%2e0%2e1",
        "l%6fcalhost",
        "%6c%6f%63%61%6c%68%6f%73%74",
        "127.0.0.1%2f@receiver.example",
        names={"localhost": ["127.0.0.1"], NAME: ["10.0.0.1"]},
    ),
    "a fragment or query that looks like a host": at(
        f"127.0.0.1#@{NAME}",
        f"127.0.0.1?@{NAME}",
        f"{NAME}#@127.0.0.1",
        f"{NAME}?@127.0.0.1",
        names={NAME: ["10.0.0.1"]},
    ),
    "a control character": at(
        "127.0.0.1\t",
        "127.0.0.1\r\nHost: a",
        "127.0.0.1\x00",
        f"127.0.0.1 {NAME}",
        "127.0.0.1\u2028",
        connects=False,
        names={NAME: ["10.0.0.1"]},
    ),
    "a zone id": at(
        "[fe80::1%25eth0]", "[fe80::1%251]", "[fe80::1%eth0]", "[fe80::a9fe:a9fe%25lo]", "[::1%25lo]", connects=None
    ),
    "a name that everybody knows": at(
        "localhost",
        "LOCALHOST",
        "localhost.",
        "ip6-localhost",
        "metadata.google.internal",
        "127.0.0.1.nip.io",
        "redis",
        names={
            "localhost": ["127.0.0.1", "::1"],
            "localhost.": ["127.0.0.1", "::1"],
            "ip6-localhost": ["::1"],
            "metadata.google.internal": ["169.254.169.254"],
            "127.0.0.1.nip.io": ["127.0.0.1"],
            "redis": ["172.18.0.2"],
        },
    ),
    "several answers of which one is refused": [
        answered(PUBLIC, "10.0.0.1"),
        answered("10.0.0.1", PUBLIC),
        answered(PUBLIC, "::1"),
        answered("::1", PUBLIC),
        answered(PUBLIC_6, "fd00::1"),
        answered(PUBLIC, PUBLIC_6, "169.254.169.254"),
        answered(PUBLIC, "::ffff:10.0.0.1"),
        answered(PUBLIC, "64:ff9b::10.0.0.1"),
        answered(PUBLIC_6, "::ffff:169.254.169.254"),
        answered(*[PUBLIC] * 20, "127.0.0.1"),
    ],
    "an answer with a zone id": [answered("fe80::1%eth0"), answered(f"{PUBLIC_6}%1"), answered(PUBLIC, "fe80::1%lo")],
    "an IPv6 address whose end looks like a port": [Case("http://[::1:80]/"), Case("http://[fd00::443]/")],
    "another scheme": [
        Case(url, connects=False)
        for url in (
            "ftp://127.0.0.1/",
            "gopher://127.0.0.1:6379/_",
            "dict://127.0.0.1:11211/",
            "file:///etc/passwd",
            "unix:///var/run/docker.sock",
            "http+unix://%2Fvar%2Frun%2Fdocker.sock/",
            "ws://127.0.0.1/",
            "//127.0.0.1/",
            "127.0.0.1/",
            "127.0.0.1:80",
            "http:127.0.0.1/",
            "http:/127.0.0.1/",
            "http:///127.0.0.1/",
            "http://",
            "",
        )
    ],
}
CORPUS = [pytest.param(case, id=f"{kind}: {case.url!r} {case.names or ''}") for kind in CASES for case in CASES[kind]]


@pytest.fixture(scope="module")
def transport() -> Iterator[RequestsTransport]:
    """A transport that is to refuse addresses for themselves, not for their port or scheme."""
    with transporting(AddressPolicy(allowed_ports=(range(1, 65536),), https_only=False)) as running:
        yield running


@pytest.fixture
def canary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Canary]:
    with canary_everywhere(monkeypatch, {NAME: [PUBLIC]}) as watching:
        yield watching


@pytest.mark.parametrize("case", CORPUS)
def test_the_canary_is_not_reached_by(case: Case, transport: RequestsTransport, canary: Canary) -> None:
    canary.names = {name: [addresses] for name, addresses in case.names.items()}
    result = send(transport, case.url)

    assert (canary.connections, canary.asked_for, canary.requests) == (0, [], [])
    assert result.failure in {Outcome.ADDRESS_REFUSED, Outcome.CANNOT_BUILD, Outcome.DNS_ERROR}
    assert result.failure is Outcome.ADDRESS_REFUSED or not case.connects


@pytest.mark.parametrize("case", CORPUS)
def test_the_canary_would_be_reached_without_a_guard_by(
    case: Case, transport: RequestsTransport, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AddressPolicy, "refusal", lambda *_, **__: None)
    canary.names = {name: [addresses] for name, addresses in case.names.items()}
    send(transport, case.url)

    assert case.connects is None or (canary.connections > 0) == case.connects


def test_the_corpus_is_as_large_as_it_should_be() -> None:
    assert len({(case.url, str(case.names)) for cases in CASES.values() for case in cases}) >= 300


@pytest.mark.parametrize(
    ("url", "address"),
    [
        (f"http://{PUBLIC}/hooks", (PUBLIC, 80)),
        (f"http://{PUBLIC}:8080/hooks", (PUBLIC, 8080)),
        (f"http://[{PUBLIC_6}]/hooks", (PUBLIC_6, 80)),
        ("http://[2606:2800:220:1::8080]/hooks", ("2606:2800:220:1::8080", 80)),
        (f"http://[::ffff:{PUBLIC}]/hooks", (f"::ffff:{PUBLIC}", 80)),
        (f"http://{NAME}/hooks", (PUBLIC, 80)),
        (f"http://{NAME.upper()}./hooks", (PUBLIC, 80)),
    ],
)
def test_the_canary_is_reached_by_what_is_allowed(
    url: str, address: tuple[str, int], transport: RequestsTransport, canary: Canary
) -> None:
    canary.knows(f"{NAME}.", [PUBLIC])
    result = send(transport, url)

    assert (result.status_code, result.body) == (200, b"ok")
    assert (canary.connections, canary.asked_for, len(canary.requests)) == (1, [address], 1)


class TestRebinding:
    @pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1"])
    def test_a_name_is_looked_up_once_and_what_was_judged_is_connected_to(
        self, address: str, transport: RequestsTransport, canary: Canary
    ) -> None:
        canary.knows(NAME, [PUBLIC], [address])
        result = send(transport, f"http://{NAME}/")

        assert (result.status_code, result.remote_address, canary.looked_up) == (200, PUBLIC, [(NAME, 80)])
        assert canary.asked_for == [(PUBLIC, 80)]

    @pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1"])
    def test_every_new_connection_is_judged_again(
        self, address: str, transport: RequestsTransport, canary: Canary
    ) -> None:
        canary.knows(NAME, [PUBLIC], [address], [PUBLIC, address])
        results = [send(transport, f"http://{NAME}/") for _ in range(3)]

        assert [each.failure for each in results] == [None, Outcome.ADDRESS_REFUSED, Outcome.ADDRESS_REFUSED]
        assert (canary.connections, canary.asked_for) == (1, [(PUBLIC, 80)])

    def test_a_connection_that_leads_elsewhere_is_left_without_a_word(
        self, transport: RequestsTransport, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with canary_everywhere(monkeypatch, {NAME: [PUBLIC]}, hidden=False) as canary:
            result = send(transport, f"http://{NAME}/")
            assert (canary.connections, canary.requests) == (1, [b""])

        assert (result.failure, result.error) == (
            Outcome.ADDRESS_REFUSED,
            f"The address was refused: a connection to {PUBLIC} led elsewhere.",
        )


class TestRedirects:
    @pytest.mark.parametrize("status", [300, 301, 302, 303, 305, 307, 308])
    @pytest.mark.parametrize(
        "location", ["http://169.254.169.254/", "http://127.0.0.1:6379/", "//[::1]/", "http://other.example/", "/again"]
    )
    def test_are_not_followed(self, status: int, location: str, transport: RequestsTransport, canary: Canary) -> None:
        canary.knows("other.example", ["10.0.0.1"])
        canary.answer = (
            f"HTTP/1.1 {status} Elsewhere\r\nLocation: {location}\r\nRefresh: 0; url={location}\r\n"
            "Connection: close\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        result = send(transport, f"http://{NAME}/")

        assert (result.status_code, result.failure) == (status, None)
        assert (canary.connections, canary.asked_for, canary.looked_up) == (1, [(PUBLIC, 80)], [(NAME, 80)])


class TestTheEnvironment:
    @pytest.fixture(autouse=True)
    def _proxies(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        for name in ("http_proxy", "https_proxy", "all_proxy", "ftp_proxy"):
            monkeypatch.setenv(name, "http://10.9.9.9:3128")
            monkeypatch.setenv(name.upper(), "http://10.9.9.9:3128")
        netrc = tmp_path / ".netrc"
        netrc.write_text("default login somebody password secret\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        monkeypatch.setenv("HOME", str(tmp_path))

    @pytest.mark.parametrize("no_proxy", ["", "*", NAME, "127.0.0.1,169.254.169.254"])
    def test_leads_nowhere_else(
        self, no_proxy: str, transport: RequestsTransport, canary: Canary, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.setenv(name, no_proxy)
        result = send(transport, f"http://{NAME}/")

        assert (result.status_code, canary.asked_for) == (200, [(PUBLIC, 80)])
        assert (b"authorization" in canary.requests[0].lower(), b"http://" in canary.requests[0]) == (False, False)

    @pytest.mark.parametrize("no_proxy", ["", "*"])
    @pytest.mark.parametrize("url", ["http://127.0.0.1/", "https://169.254.169.254/", "http://private.example/"])
    def test_allows_nothing_more(
        self, url: str, no_proxy: str, transport: RequestsTransport, canary: Canary, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("no_proxy", no_proxy)
        monkeypatch.setenv("NO_PROXY", no_proxy)
        canary.knows("private.example", ["10.0.0.1"])
        result = send(transport, url)

        assert (result.failure, canary.connections, canary.asked_for) == (Outcome.ADDRESS_REFUSED, 0, [])


class TestThePolicy:
    LOCAL = (ip_network("10.1.0.0/16"), ip_network("fd12::/16"))

    @pytest.mark.parametrize(
        ("policy", "url", "setting"),
        [
            (AddressPolicy(), f"http://{PUBLIC}/", "WEBHOOKS_HTTPS_ONLY"),
            (AddressPolicy(), f"http://{NAME}/", "WEBHOOKS_HTTPS_ONLY"),
            (AddressPolicy(), f"https://{PUBLIC}:22/", "WEBHOOKS_ALLOWED_PORTS"),
            (AddressPolicy(), f"https://{NAME}:25/", "WEBHOOKS_ALLOWED_PORTS"),
            (AddressPolicy(), f"https://[{PUBLIC_6}]:6379/", "WEBHOOKS_ALLOWED_PORTS"),
            (AddressPolicy(https_only=False), f"http://{PUBLIC}:0/", "WEBHOOKS_ALLOWED_PORTS"),
            (AddressPolicy(allowed_networks=LOCAL), "http://10.2.0.1/", "WEBHOOKS_ALLOWED_NETWORKS"),
            (AddressPolicy(allowed_networks=LOCAL), f"http://{NAME}/", "WEBHOOKS_HTTPS_ONLY"),
            (AddressPolicy(allowed_networks=LOCAL), f"https://{NAME}:9000/", "WEBHOOKS_ALLOWED_PORTS"),
            (AddressPolicy(allowed_networks=LOCAL, https_only=True), "http://10.1.2.3/", "WEBHOOKS_HTTPS_ONLY"),
            (
                AddressPolicy(allowed_networks=LOCAL, allowed_ports=(range(443, 444),)),
                "https://10.1.2.3:6379/",
                "WEBHOOKS_ALLOWED_PORTS",
            ),
            # One of the addresses is of an allowed network, the other is not.
            (AddressPolicy(allowed_networks=LOCAL), "http://both.example:9000/", "WEBHOOKS_ALLOWED_PORTS"),
            (AddressPolicy(allowed_networks=LOCAL), "http://both.example/", "WEBHOOKS_HTTPS_ONLY"),
        ],
    )
    def test_holds_at_the_connection(self, policy: AddressPolicy, url: str, setting: str, canary: Canary) -> None:
        canary.knows("both.example", ["10.1.2.3", PUBLIC])
        with transporting(policy) as transport:
            result = send(transport, url)

        assert (result.failure, canary.connections, canary.asked_for) == (Outcome.ADDRESS_REFUSED, 0, [])
        assert result.error.startswith("The address was refused: ")
        assert result.error.endswith(f". See {setting}.")

    @pytest.mark.parametrize(
        ("policy", "url", "address"),
        [
            (AddressPolicy(https_only=False), f"http://{NAME}/", (PUBLIC, 80)),
            (AddressPolicy(allowed_networks=LOCAL), "http://10.1.2.3:9000/", ("10.1.2.3", 9000)),
            (AddressPolicy(allowed_networks=LOCAL), "http://[fd12::1]:9000/", ("fd12::1", 9000)),
            (
                AddressPolicy(https_only=False, allowed_ports=(range(9000, 9001),)),
                f"http://{NAME}:9000/",
                (PUBLIC, 9000),
            ),
        ],
    )
    def test_lets_through_what_it_allows(
        self, policy: AddressPolicy, url: str, address: tuple[str, int], canary: Canary
    ) -> None:
        with transporting(policy) as transport:
            result = send(transport, url)

        assert (result.status_code, canary.connections, canary.asked_for) == (200, 1, [address])

    @pytest.mark.parametrize("address", list(dict.fromkeys(ends(NEVER))))
    def test_never_allows_metadata(self, address: str, canary: Canary) -> None:
        everything = (ip_network("0.0.0.0/0"), ip_network("::/0"), ip_network(address))
        policy = AddressPolicy(allowed_networks=everything, allowed_ports=(range(1, 65536),), https_only=False)
        canary.knows(NAME, [address])
        with transporting(policy) as transport:
            result = send(transport, f"http://{NAME}/")

        assert (result.failure, canary.connections, canary.asked_for) == (Outcome.ADDRESS_REFUSED, 0, [])
        assert result.error.endswith(", which no setting allows.")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(url=URLS)
@example(url="http://[2606:2800:220:1::8080]/")
@example(url="http://receiver.example./")
def test_an_accepted_url_is_sent_to_the_host_that_it_names(
    url: str, transport: RequestsTransport, canary: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        parsed = parse_url(check_url(url))
    except InvalidUrl:
        return
    # What is looked up is enough to know.
    monkeypatch.setattr(AddressPolicy, "refusal", lambda *_, **__: "it is a test.")
    canary.looked_up.clear()
    send(transport, url)

    port = parsed.port or (443 if parsed.scheme == "https" else 80)
    assert canary.looked_up == [((parsed.host or "").strip("[]"), port)]
