import re
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatch.addresses import AddressPolicy
from dispatch.special_networks import NEVER as NEVER_LISTED
from dispatch.special_networks import SPECIAL as SPECIAL_LISTED
from dispatch.special_networks import Network

EVERYTHING = (ip_network("0.0.0.0/0"), ip_network("::/0"))

# IANA's special-purpose registries, with multicast and what was never given out.
SPECIAL = [
    "0.0.0.0/8",
    "0.0.0.0/32",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.0.0/29",
    "192.0.0.8/32",
    "192.0.0.9/32",
    "192.0.0.10/32",
    "192.0.0.170/32",
    "192.0.0.171/32",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.88.99.2/32",
    "192.168.0.0/16",
    "192.175.48.0/24",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "::/96",
    "::ffff:0:0:0/96",
    "64:ff9b::/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001::/32",
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:1::3/128",
    "2001:2::/48",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:10::/28",
    "2001:20::/28",
    "2001:30::/28",
    "2001:db8::/32",
    "2002::/16",
    "2620:4f:8000::/48",
    "3fff::/20",
    "4000::/2",
    "5f00::/16",
    "fc00::/7",
    "fec0::/10",
    "ff00::/8",
]
NEVER = [
    "169.254.0.0/16",
    "168.63.129.16/32",
    "100.100.100.200/32",
    "192.0.0.192/32",
    "fe80::/10",
    "fe80::a9fe:a9fe/128",
    "169.254.169.254/32",
    "fd00:ec2::/32",
    "fd00:42::42/128",
    "fd00:100::100:200/128",
    "fd00:a9fe:a9fe::1/128",
    "fd00:c1::a9fe:a9fe/128",
    "fd20:ce::254/128",
]
PUBLIC = [
    "1.0.0.0",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "168.63.129.15",
    "168.63.129.17",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "191.255.255.255",
    "192.0.1.0",
    "192.0.1.255",
    "192.0.3.0",
    "192.31.195.255",
    "192.31.197.0",
    "192.52.192.255",
    "192.52.194.0",
    "192.88.98.255",
    "192.88.100.0",
    "192.167.255.255",
    "192.169.0.0",
    "192.175.47.255",
    "192.175.49.0",
    "198.17.255.255",
    "198.20.0.0",
    "198.51.99.255",
    "198.51.101.0",
    "203.0.112.255",
    "203.0.114.0",
    "223.255.255.255",
    "::ffff:8.8.8.8",
    "2000::",
    "2001:200::",
    "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:db9::",
    "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2003::",
    "2606:4700:4700::1111",
    "2620:4f:7fff:ffff:ffff:ffff:ffff:ffff",
    "2620:4f:8001::",
    "3ffe:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "3fff:1000::",
    "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
]


def refusal(address: str, allowed: Iterable[Network] = ()) -> str | None:
    """Judge an address alone, on a port and with a scheme that are always allowed."""
    return AddressPolicy(allowed_networks=tuple(allowed)).refusal(address, port=443, tls=True)


def is_not_public(reason: str | None, address: str) -> bool:
    return (
        re.fullmatch(
            rf"{re.escape(address)} \(.+, RFC \d+\) is not a public address\. See WEBHOOKS_ALLOWED_NETWORKS\.",
            str(reason),
        )
        is not None
    )


def is_never_allowed(reason: str | None, address: str) -> bool:
    return (
        re.fullmatch(
            rf"{re.escape(address)} is a link-local or cloud metadata address \(.+\), which no setting allows\.",
            str(reason),
        )
        is not None
    )


def ends(networks: list[str]) -> list[str]:
    """List the first and the last address of each network."""
    return [str(ip_network(network)[at]) for network in networks for at in (0, -1)]


@pytest.mark.parametrize("address", dict.fromkeys(ends(SPECIAL)))
def test_an_address_of_a_special_network_is_refused(address: str) -> None:
    assert is_not_public(refusal(address), address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_beside_the_special_networks_may_be_reached(address: str) -> None:
    assert refusal(address) is None


@pytest.mark.parametrize(
    ("address", "judged"),
    [
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("::ffff:7f00:1", "127.0.0.1"),
        ("::ffff:0.0.0.0", "0.0.0.0"),  # noqa: S104
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("::ffff:255.255.255.255", "255.255.255.255"),
    ],
)
def test_an_address_mapped_into_ipv6_is_judged_as_the_ipv4_address(address: str, judged: str) -> None:
    assert is_not_public(refusal(address), judged)
    assert refusal(address, [ip_network(f"{judged}/32")]) is None
    assert is_not_public(refusal(address, [ip_network("::/0")]), judged)


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b::8.8.8.8",
        "64:ff9b:1::8.8.8.8",
        "2002:808:808::1",
        "2001:0:808:808::1",
        "::8.8.8.8",
        "::ffff:0:8.8.8.8",
        "2606:4700::5efe:8.8.8.8",
        "2606:4700::200:5efe:8.8.8.8",
    ],
)
def test_transition_prefixes_are_refused_even_with_a_public_address_within(address: str) -> None:
    assert is_not_public(refusal(address), str(ip_address(address)))


@pytest.mark.parametrize(
    "address", dict.fromkeys([*ends(NEVER), "169.254.169.254", "169.254.170.2", "fe80::a9fe:a9fe"])
)
@pytest.mark.parametrize("allowed", [(), EVERYTHING], ids=["by default", "although everything is allowed"])
def test_link_local_and_metadata_addresses_are_refused(
    address: str, allowed: tuple[IPv4Network | IPv6Network, ...]
) -> None:
    assert is_never_allowed(refusal(address, allowed), address)
    assert refusal(address, [*allowed, ip_network(address)]) is not None


@pytest.mark.parametrize("metadata", [address for address in ends(NEVER) if ":" not in address])
@pytest.mark.parametrize(
    "carrier",
    [
        pytest.param("::ffff:0:0", id="mapped"),
        pytest.param("::", id="IPv4-compatible"),
        pytest.param("::ffff:0:0:0", id="IPv4-translated"),
        pytest.param("64:ff9b::", id="NAT64"),
        pytest.param("64:ff9b:1::", id="NAT64 of a local network"),
        pytest.param("64:ff9b:1:ffff::", id="NAT64 of another local network"),
        pytest.param("2606:4700::5efe:0:0", id="ISATAP"),
        pytest.param("2606:4700::200:5efe:0:0", id="ISATAP of a public address"),
    ],
)
def test_metadata_addresses_stay_refused_within_ipv6_addresses(metadata: str, carrier: str) -> None:
    address = IPv6Address(int(IPv6Address(carrier)) | int(IPv4Address(metadata)))

    assert "is a link-local or cloud metadata address" in str(refusal(str(address), EVERYTHING))


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("64:ff9b:1:a9fe:a9:fe00::", id="48 bits"),
        pytest.param("64:ff9b:1:1a9:fe:a9fe::", id="56 bits"),
        pytest.param("64:ff9b:1:1:a9:fea9:fe00:0", id="64 bits"),
        pytest.param("64:ff9b:1:1:0:0:a9fe:a9fe", id="96 bits"),
    ],
)
def test_metadata_addresses_stay_refused_behind_a_local_nat64_prefix_of(address: str) -> None:
    assert is_never_allowed(refusal(address, EVERYTHING), str(ip_address(address)))


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("2002:a9fe:a9fe::1", id="6to4"),
        pytest.param("2001:0:a9fe:a9fe::1", id="Teredo server"),
        pytest.param("2001:0:808:808:0:0:5601:5601", id="Teredo client"),
    ],
)
def test_metadata_addresses_stay_refused_at_the_end_of_a_tunnel(address: str) -> None:
    assert is_never_allowed(refusal(address, EVERYTHING), str(ip_address(address)))


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("10.1.255.255", "10.1.0.0/16"),
        ("127.0.0.1", "127.0.0.1/32"),
        ("::1", "::1/128"),
        ("fd12:3456::1", "fd12:3456::/32"),
        ("64:ff9b::10.1.2.3", "64:ff9b::/96"),
        ("2002:a01:203::1", "2002::/16"),
        ("::ffff:10.1.2.3", "10.0.0.0/8"),
    ],
)
def test_an_allowed_network_may_be_reached(address: str, allowed: str) -> None:
    assert refusal(address) is not None
    assert refusal(address, [ip_network("203.0.113.7/32"), ip_network(allowed)]) is None


@pytest.mark.parametrize("address", ["10.2.0.0", "10.0.255.255", "127.0.0.1", "::1"])
def test_what_is_beside_an_allowed_network_stays_refused(address: str) -> None:
    assert is_not_public(refusal(address, [ip_network("10.1.0.0/16")]), address)


@pytest.mark.parametrize("address", ["fe80::1%eth0", "2606:4700::1%1", "::1%lo", "::ffff:8.8.8.8%1"])
def test_an_address_of_one_interface_is_refused_whatever_is_allowed(address: str) -> None:
    assert "belongs to one network interface only" in str(refusal(address, EVERYTHING))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "localhost",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0",
        "127.0.0.01",
        " 127.0.0.1",
        "127.0.0.1:80",
        "①②⑦.⓪.⓪.①",
        "[::1]",
        "::1%",
        "8.8.8.8/32",
        "12345::",
    ],
)
def test_a_text_that_is_no_address_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="address"):
        refusal(text)


@given(st.ip_addresses())
def test_no_address_that_python_calls_special_may_be_reached(address: IPv4Address | IPv6Address) -> None:
    if not address.is_global or address.is_multicast or address.is_reserved:
        judged = getattr(address, "ipv4_mapped", None) or address
        assert judged.is_global or refusal(str(address)) is not None


def test_every_network_that_is_listed_is_tested_here() -> None:
    listed = {str(network) for network, _ in SPECIAL_LISTED} - {
        # Judged as the IPv4 address, and as a link-local one.
        "::ffff:0.0.0.0/96",
        "::ffff:0:0/96",
        "169.254.0.0/16",
        "fe80::/10",
    }
    assert listed == {str(ip_network(network)) for network in SPECIAL} - {"4000::/2"}
    assert {str(network) for network, _ in NEVER_LISTED} == {str(ip_network(network)) for network in NEVER}


@pytest.mark.parametrize(
    ("address", "what"),
    [
        ("10.1.2.3", "10.1.2.3 (private, RFC 1918) is not a public address"),
        ("192.0.0.170", "192.0.0.170 (NAT64 discovery, RFC 7050) is not a public address"),
        ("192.0.0.200", "192.0.0.200 (protocol assignments, RFC 6890) is not a public address"),
        ("4000::1", "4000::1 (not global unicast, RFC 4291) is not a public address"),
        ("fd00::1", "fd00::1 (unique local, RFC 4193) is not a public address"),
    ],
)
def test_a_refusal_says_what_the_address_is_and_which_setting_allows_it(address: str, what: str) -> None:
    assert refusal(address) == f"{what}. See WEBHOOKS_ALLOWED_NETWORKS."


def test_a_metadata_address_is_named() -> None:
    assert refusal("169.254.169.254") == (
        "169.254.169.254 is a link-local or cloud metadata address (metadata of most clouds), which no setting allows."
    )
    assert refusal("fd00:ec2::254") == (
        "fd00:ec2::254 is a link-local or cloud metadata address (AWS's services in the instance), "
        "which no setting allows."
    )


LOCAL = (ip_network("10.1.0.0/16"),)


class TestPorts:
    def test_on_public_addresses_are_the_usual_ones(self) -> None:
        policy = AddressPolicy(allowed_networks=LOCAL)
        reached = [port for port in range(65536) if policy.refusal("8.8.8.8", port=port, tls=True) is None]

        assert reached == [80, 443, 8000, 8080, 8443]

    def test_within_an_allowed_network_are_free(self) -> None:
        policy = AddressPolicy(allowed_networks=LOCAL)

        assert policy.refusal("10.1.2.3", port=9000, tls=True) is None
        assert policy.refusal("::ffff:10.1.2.3", port=9000, tls=True) is None
        assert policy.refusal("10.2.0.1", port=9000, tls=True) is not None

    @pytest.mark.parametrize("address", ["8.8.8.8", "10.1.2.3", "2606:4700::1111"])
    def test_that_are_given_hold_everywhere(self, address: str) -> None:
        policy = AddressPolicy(allowed_networks=LOCAL, allowed_ports=(range(443, 444), range(9000, 9003)))
        reached = [port for port in range(65536) if policy.refusal(address, port=port, tls=True) is None]

        assert reached == [443, 9000, 9001, 9002]
        assert policy.refusal(address, port=80, tls=True) == (
            f"{address} may not be reached on port 80. See WEBHOOKS_ALLOWED_PORTS."
        )


class TestPlainHttp:
    @pytest.mark.parametrize(
        ("https_only", "public", "allowed"),
        [
            pytest.param(None, False, True, id="is for allowed networks"),
            pytest.param(True, False, False, id="is refused everywhere"),
            pytest.param(False, True, True, id="is allowed everywhere"),
        ],
    )
    def test(self, https_only: bool | None, public: bool, allowed: bool) -> None:
        policy = AddressPolicy(allowed_networks=LOCAL, https_only=https_only)

        for address, is_allowed in (("8.8.8.8", public), ("10.1.2.3", allowed), ("::ffff:10.1.2.3", allowed)):
            reason = policy.refusal(address, port=80, tls=False)
            assert (reason is None) == is_allowed
            assert reason is None or reason.endswith(" may be reached over https only. See WEBHOOKS_HTTPS_ONLY.")
            assert policy.refusal(address, port=443, tls=True) is None

    def test_changes_nothing_about_addresses_and_ports(self) -> None:
        policy = AddressPolicy(https_only=False)

        assert is_not_public(policy.refusal("10.1.2.3", port=80, tls=False), "10.1.2.3")
        assert "port 22" in str(policy.refusal("8.8.8.8", port=22, tls=False))
