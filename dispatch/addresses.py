"""Which addresses deliveries may reach. Pure.

Explicit lists from IANA's special-purpose address registries (RFC 6890 and its updates), because what
`ipaddress.is_global` says differs between Python versions and calls transition prefixes global.
"""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Refused whatever is allowed: link-local networks and the metadata services of clouds hand out credentials.
_NEVER: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            "169.254.0.0/16",  # link-local (RFC 3927): metadata of AWS, Azure, Google, DigitalOcean and others
            "168.63.129.16/32",  # Azure's host
            "100.100.100.200/32",  # Alibaba's metadata
            "192.0.0.192/32",  # Oracle's metadata
            "fe80::/10",  # link-local (RFC 4291)
            "fd00:ec2::/32",  # AWS's metadata over IPv6
            "fd00:42::42/128",  # Scaleway's
            "fd00:100::100:200/128",  # Alibaba's
            "fd00:a9fe:a9fe::1/128",  # Akamai's
            "fd00:c1::a9fe:a9fe/128",  # Oracle's
            "fd20:ce::254/128",  # Google's
        ),
    )
)
_SPECIAL_IPV4: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8",  # this network (RFC 791)
            "10.0.0.0/8",  # private (RFC 1918)
            "100.64.0.0/10",  # shared between carriers (RFC 6598)
            "127.0.0.0/8",  # loopback (RFC 1122)
            "172.16.0.0/12",  # private (RFC 1918)
            "192.0.0.0/24",  # protocol assignments (RFC 6890)
            "192.0.2.0/24",  # documentation (RFC 5737)
            "192.31.196.0/24",  # AS112 (RFC 7535)
            "192.52.193.0/24",  # multicast tunnelling (RFC 7450)
            "192.88.99.0/24",  # 6to4 relays (RFC 7526)
            "192.168.0.0/16",  # private (RFC 1918)
            "192.175.48.0/24",  # AS112 (RFC 7534)
            "198.18.0.0/15",  # benchmarking (RFC 2544)
            "198.51.100.0/24",  # documentation (RFC 5737)
            "203.0.113.0/24",  # documentation (RFC 5737)
            "224.0.0.0/4",  # multicast (RFC 5771)
            "240.0.0.0/4",  # reserved and broadcast (RFC 1112, RFC 8190)
        ),
    )
)
_GLOBAL_UNICAST_IPV6 = IPv6Network("2000::/3")
_SPECIAL_IPV6: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            "2001::/23",  # protocol assignments with Teredo and ORCHID (RFC 2928)
            "2001:db8::/32",  # documentation (RFC 3849)
            "2002::/16",  # 6to4: carries an IPv4 address (RFC 3056)
            "2620:4f:8000::/48",  # AS112 (RFC 7534)
            "3fff::/20",  # documentation (RFC 9637)
        ),
    )
)
# Networks whose addresses carry an IPv4 address in their last 32 bits, to which a gateway passes on what they get.
_CARRIERS: tuple[Network, ...] = tuple(
    map(
        ip_network,
        (
            "::/96",  # IPv4-compatible (RFC 4291)
            "::ffff:0:0:0/96",  # IPv4-translated (RFC 7915)
            "64:ff9b::/96",  # NAT64 (RFC 6052)
            "64:ff9b:1::/48",  # NAT64 of a local network, with a prefix of 96 bits (RFC 8215)
        ),
    )
)


def refusal(text: str, allowed: Iterable[Network] = ()) -> str | None:
    """Say why the address `text` must not be connected to, or None if it may be.

    `allowed` are networks that may be reached although they are not public. An IPv4 address that is
    mapped into IPv6 (`::ffff:10.0.0.1`) is judged as the IPv4 address. Link-local and metadata addresses
    stay refused, also where an IPv6 address carries them. Raises `ValueError` for a text that is no address.
    """
    address: Address = ip_address(text)
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return f"{address} belongs to one network interface only"
        address = address.ipv4_mapped or address
    if any(_within(each, _NEVER) for each in (address, *_carried(address))):
        return f"{address} is a link-local or cloud metadata address"
    if _within(address, allowed):
        return None
    if isinstance(address, IPv4Address):
        public = not _within(address, _SPECIAL_IPV4)
    else:
        public = address in _GLOBAL_UNICAST_IPV6 and not _within(address, _SPECIAL_IPV6)
    return None if public else f"{address} is not a public address"


def _carried(address: Address) -> tuple[IPv4Address, ...]:
    """List the IPv4 addresses that a gateway would read out of `address`."""
    if isinstance(address, IPv4Address):
        return ()
    if _within(address, _CARRIERS):
        return (IPv4Address(address.packed[-4:]),)
    return tuple(filter(None, (address.sixtofour, *(address.teredo or ()))))


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
