"""Which addresses, ports and schemes deliveries may use. Pure.

Public addresses only, except what the installation allows; link-local and metadata addresses never.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address

from dispatch import special_networks
from dispatch.special_networks import Network

Address = IPv4Address | IPv6Address

# Where receivers on the internet listen. Not where mail, databases or consoles do: whoever may create an endpoint
# would otherwise have our address knock at any service of anybody.
USUAL_PORTS = (range(80, 81), range(443, 444), range(8000, 8001), range(8080, 8081), range(8443, 8444))

_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """What may be connected to. Judged for every address of every connection.

    `allowed_networks` may be reached although they are not public. Without `allowed_ports` these are the usual
    ones, and any within the allowed networks; ports that are given hold everywhere. Likewise `https_only`: None
    allows plain http within the allowed networks, True nowhere and False everywhere.
    """

    allowed_networks: tuple[Network, ...] = ()
    allowed_ports: tuple[range, ...] = ()
    https_only: bool | None = None

    def refusal(self, text: str, *, port: int, tls: bool) -> str | None:
        """Say why the address `text` must not be connected to, and what could allow it, or None if it may be.

        An IPv4 address that is mapped into IPv6 (`::ffff:10.0.0.1`) is judged as the IPv4 address. Raises
        `ValueError` for a text that is no address.
        """
        judgement = _judge(text)
        if judgement.never:
            return f"{judgement.never}, which no setting allows."
        is_allowed = bool(self.allowed_networks) and _is_within(judgement.address, self.allowed_networks)
        if judgement.special and not is_allowed:
            return f"{judgement.special} is not a public address. See WEBHOOKS_ALLOWED_NETWORKS."
        ports = self.allowed_ports or (() if is_allowed else USUAL_PORTS)
        if ports and not any(port in each for each in ports):
            return f"{judgement.address} may not be reached on port {port}. See WEBHOOKS_ALLOWED_PORTS."
        if not tls and (not is_allowed if self.https_only is None else self.https_only):
            return f"{judgement.address} may be reached over https only. See WEBHOOKS_HTTPS_ONLY."
        return None

    def refusal_of_name(self, name: str, *, port: int, tls: bool) -> str | None:
        """Say why `name`, whose addresses nobody here looks up, must not be asked for, or None if it may be.

        Only what holds for every address can be told: the port and the scheme. A name that says which address it is
        is judged as that.
        """
        label = name.rstrip(".").rpartition(".")[2].lower()
        if label == "localhost":  # RFC 6761, section 6.3
            return self.refusal("127.0.0.1", port=port, tls=tls)
        # Resolvers read 2130706433, 0177.1 and 0x7f.1 as addresses. No top-level domain is a number.
        if not _NAME.fullmatch(name) or not label or label.isdecimal() or label.startswith("0x"):
            return "The host is not a name as DNS has them."
        if not any(port in each for each in self.allowed_ports or USUAL_PORTS):
            return f"{name} may not be reached on port {port}. See WEBHOOKS_ALLOWED_PORTS."
        if not tls and self.https_only is not False:
            return f"{name} may be reached over https only. See WEBHOOKS_HTTPS_ONLY."
        return None


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What an address is, with words for it if it may never be reached, or only where it is allowed."""

    address: Address
    never: str = ""
    special: str = ""


# Receivers are the same again and again, and what an address is depends on no setting.
@lru_cache(maxsize=10_000)
def _judge(text: str) -> _Judgement:
    address: Address = ip_address(text)
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return _Judgement(address, never=f"{address} belongs to one network interface only")
        address = address.ipv4_mapped or address
    carried = _carried(address) if isinstance(address, IPv6Address) else ()
    for each in (address, *carried):
        if meaning := _meaning(each, special_networks.NEVER):
            return _Judgement(address, never=f"{address} is a link-local or cloud metadata address ({meaning})")
    meaning = _meaning(address, special_networks.SPECIAL)
    if not meaning and isinstance(address, IPv6Address):
        if address not in special_networks.GLOBAL_UNICAST:
            meaning = "not global unicast, RFC 4291"
        elif carried:
            meaning = "ISATAP, RFC 5214"
    return _Judgement(address, special=f"{address} ({meaning})" if meaning else "")


def _carried(address: IPv6Address) -> tuple[IPv4Address, ...]:
    """List the IPv4 addresses that a gateway or the end of a tunnel would read out of `address`."""
    bits = int(address)
    if any(address in network for network in special_networks.CARRIERS):
        return (IPv4Address(bits & 0xFFFFFFFF),)
    if address in special_networks.LOCAL_NAT64:
        return tuple(map(IPv4Address, _by_rfc_6052(address.packed)))
    # ISATAP (RFC 5214, section 6.1) has a mark before its last 32 bits, whatever the prefix.
    if (bits >> 32) & 0xFDFFFFFF == 0x00005EFE:
        return (IPv4Address(bits & 0xFFFFFFFF),)
    return tuple(filter(None, (address.sixtofour, *(address.teredo or ()))))


def _by_rfc_6052(packed: bytes) -> Iterable[bytes]:
    """Read the IPv4 address after a prefix of 48, 56, 64 and 96 bits. The ninth byte is never part of it."""
    without_ninth = packed[:8] + packed[9:]
    return (*(without_ninth[start : start + 4] for start in (6, 7, 8)), packed[12:])


def _is_within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _meaning(address: Address, networks: Iterable[tuple[Network, str]]) -> str:
    return next((meaning for network, meaning in networks if _is_within(address, (network,))), "")
