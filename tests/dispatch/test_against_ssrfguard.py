"""The guard beside another, `ssrfguard`. Wherever the two differ, it says here why ours is right for us."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
import ssrfguard
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from dispatch.addresses import AddressPolicy
from subscriptions.endpoint_urls import InvalidUrl, check_url
from tests.dispatch.test_address_corpus import CASES, SPECIAL_ADDRESSES
from tests.dispatch.test_addresses import NEVER, PUBLIC, SPECIAL
from tests.subscriptions.test_endpoint_urls import URLS

# Neither looks at ports or schemes here.
OURS = AddressPolicy(allowed_ports=(range(1, 65536),), https_only=False)
THEIRS = ssrfguard.Policy(allowed_ports=frozenset(range(1, 65536)))


@dataclass(frozen=True)
class Difference:
    """What ours refuses and theirs does not, with an example, and why."""

    why: str
    networks: tuple[str, ...]
    example: str


DIFFERENCES = [
    Difference(
        "Azure's host answers every virtual machine, with its settings and certificates. That it is a public address "
        "by the registries makes it no receiver.",
        ("168.63.129.16/32",),
        "168.63.129.16",
    ),
    Difference(
        "Reachable everywhere, and never a receiver: anycast addresses of protocols that answer from the nearest "
        "router, which is often in one's own network.",
        ("192.0.0.9/32", "192.0.0.10/32", "2001:1::1/128", "2001:1::2/128", "2001:1::3/128"),
        "192.0.0.9",
    ),
    Difference(
        "Reachable everywhere, and never a receiver: sinks for reverse look-ups, and relays for multicast.",
        (
            "192.31.196.0/24",
            "192.175.48.0/24",
            "2001:4:112::/48",
            "2620:4f:8000::/48",
            "192.52.193.0/24",
            "2001:3::/32",
        ),
        "192.175.48.1",
    ),
    Difference(
        "Identifiers that look like addresses, and are not routed.", ("2001:20::/28", "2001:30::/28"), "2001:20::1"
    ),
    Difference(
        "They read the IPv4 address within and judge that. A receiver has no need of such an address, and where it "
        "leads is up to a gateway of the network that the dispatcher runs in.",
        ("64:ff9b::/96", "2002::/16", "2001::/32", "::/96"),
        "64:ff9b::8.8.8.8",
    ),
    Difference(
        "Carries an IPv4 address too, of which they know nothing: even 127.0.0.1 and 169.254.169.254 pass.",
        ("::ffff:0:0:0/96",),
        "::ffff:0:169.254.169.254",
    ),
    Difference(
        "Nothing outside 2000::/3 was given out to receivers. They list what is known to be special, we what is known "
        "not to be, so that what is given a meaning tomorrow is refused today.",
        ("::/3", "4000::/2", "8000::/2", "c000::/3", "e000::/4", "f000::/5", "f800::/6", "fe00::/9"),
        "4000::1",
    ),
]
EXPLAINED = [ip_network(network) for difference in DIFFERENCES for network in difference.networks]


def we_allow(address: str) -> bool:
    return OURS.refusal(address, port=443, tls=True) is None


def is_explained(address: str) -> bool:
    """Tell whether a difference is listed, or the address is an ISATAP one, which they know nothing of."""
    parsed = ip_address(address)
    is_isatap = isinstance(parsed, IPv6Address) and parsed.packed[8:12] in {b"\0\0\x5e\xfe", b"\2\0\x5e\xfe"}
    return is_isatap or any(parsed.version == each.version and parsed in each for each in EXPLAINED)


def beside(networks: list[str]) -> list[str]:
    """List the addresses next to each network."""
    found = []
    for network in map(ip_network, networks):
        for number in (int(network[0]) - 1, int(network[-1]) + 1):
            if 0 <= number < 2**network.max_prefixlen:
                found.append(str(type(network[0])(number)))
    return found


@pytest.mark.parametrize("address", dict.fromkeys([*SPECIAL_ADDRESSES, *PUBLIC, *beside([*SPECIAL, *NEVER])]))
def test_addresses_are_judged_alike_or_the_difference_is_explained(address: str) -> None:
    agrees_or_is_explained(address)


@given(st.ip_addresses().map(str))
def test_any_address_is_judged_alike_or_the_difference_is_explained(address: str) -> None:
    agrees_or_is_explained(address)


@given(
    st.sampled_from(["::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::", "2606:4700::5efe:0:0"]),
    st.ip_addresses(v=4),
)
def test_an_address_within_another_is_judged_alike_or_the_difference_is_explained(
    prefix: str, carried: IPv4Address
) -> None:
    agrees_or_is_explained(str(IPv6Address(int(IPv6Address(prefix)) | int(carried))))


def agrees_or_is_explained(address: str) -> None:
    # There is nothing that they refuse and we allow.
    if we_allow(address) != THEIRS.permits_address(address):
        assert (we_allow(address), is_explained(address)) == (False, True)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.example)
def test_an_explained_difference_is_one(difference: Difference) -> None:
    assert ip_address(difference.example) in ip_network(difference.networks[0]) or len(difference.networks) > 1
    assert (we_allow(difference.example), THEIRS.permits_address(difference.example)) == (False, True)


def test_isatap_addresses_are_refused_by_us_alone() -> None:
    assert (we_allow("2606:4700::5efe:127.0.0.1"), THEIRS.permits_address("2606:4700::5efe:127.0.0.1")) == (False, True)


def our_objection(url: str) -> str | None:
    """Say what we have against a URL before any name is looked up."""
    try:
        host = (parse_url(check_url(url)).host or "").strip("[]")
    except InvalidUrl as error:
        return str(error)
    try:
        return OURS.refusal(host, port=443, tls=True)
    except ValueError:
        return None


def their_objection(url: str) -> str | None:
    try:
        THEIRS.check_url(url)
    except ssrfguard.SSRFGuardError as error:
        return str(error)
    return None


# What we refuse and they do not, by what we say about it: why, and an example.
REFUSED_BY_US = {
    "An address must be written like 192.0.2.1 or [2001:db8::1].": (
        "They take it for a name, and judge the address that the resolver makes of it. No receiver needs such a URL.",
        "http://0x7f.1/",
    ),
    "A URL must name its host in ASCII: an international name in its form with xn--.": (
        "They turn such names into ASCII by the rules of 2003, urllib3 by those of 2008.",
        "http://faß.example/",
    ),
    "A URL must not contain spaces, backslashes or control characters.": (
        "They let control characters beyond ASCII through, which no two log viewers show alike.",
        "http://receiver.example/\x85",
    ),
    "A URL must not contain a fragment (#…): it would never be sent.": (
        "Harmless, and a mistake of whoever wrote it.",
        "http://receiver.example/#top",
    ),
    "A URL must not be longer than 2048 characters.": (
        "They allow 8192.",
        "http://receiver.example/" + "a" * 3000,
    ),
    "A port must be a number from 1 to 65535.": (
        "They read an empty port as none.",
        "http://receiver.example:/",
    ),
    "A host must be a name of letters, digits and hyphens, with dots between, or an address.": (
        "They take a hyphen for a name.",
        "http://-/",
    ),
    "This is not a URL.": (
        "They overlook what follows the bracket of an IPv6 address, which others may take for the host.",
        "http://[2606:4700::1111].evil.example/",
    ),
}


@pytest.mark.parametrize(("objection", "example"), [(each, REFUSED_BY_US[each][1]) for each in REFUSED_BY_US])
def test_an_explained_difference_between_urls_is_one(objection: str, example: str) -> None:
    assert (our_objection(example), their_objection(example)) == (objection, None)


@pytest.mark.parametrize("url", dict.fromkeys(case.url for cases in CASES.values() for case in cases))
def test_urls_are_judged_alike_or_the_difference_is_explained(url: str) -> None:
    urls_agree_or_differ_for_a_reason(url)


@given(URLS)
def test_any_url_is_judged_alike_or_the_difference_is_explained(url: str) -> None:
    urls_agree_or_differ_for_a_reason(url)


def urls_agree_or_differ_for_a_reason(url: str) -> None:
    ours, theirs = our_objection(url), their_objection(url)
    if ours is not None and theirs is None:
        # An address is explained above.
        assert ours in REFUSED_BY_US or is_explained(ours.split()[0])
    if ours is None and theirs is not None:
        # Names of one's own network have underscores, which names of the internet must not have.
        assert "_" in (parse_url(url).host or "")
        assert "is not a well-formed hostname" in theirs
