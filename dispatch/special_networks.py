"""The networks that are not for anybody's receivers, and whose they are. Pure data.

IANA's IPv4 and IPv6 special-purpose address registries (RFC 6890, RFC 8190) with every row they have, and
what they leave out: multicast, site-local and IPv4-compatible addresses. An explicit list, because what
`ipaddress.is_global` says differs between Python versions and calls transition prefixes global.
"""

from ipaddress import IPv4Network, IPv6Network, ip_network

Network = IPv4Network | IPv6Network


def _networks(rows: tuple[tuple[str, str], ...]) -> tuple[tuple[Network, str], ...]:
    """Read the rows, the smallest networks first, so that the first that has an address says most about it."""
    read = ((ip_network(network), meaning) for network, meaning in rows)
    return tuple(sorted(read, key=lambda row: -row[0].prefixlen))


# Refused whatever is allowed: link-local networks, and the services of clouds that hand out credentials.
NEVER = _networks(
    (
        ("169.254.0.0/16", "link-local, RFC 3927"),
        # AWS, Azure, Google, Oracle, IBM, DigitalOcean, Hetzner, OpenStack and more. AWS has 169.254.170.2 and
        # 169.254.170.23 beside it, Scaleway 169.254.42.42, Tencent 169.254.0.23: link-local too.
        ("169.254.169.254/32", "metadata of most clouds"),
        ("168.63.129.16/32", "Azure's host"),
        ("100.100.100.200/32", "Alibaba's metadata"),
        ("192.0.0.192/32", "Oracle's metadata"),
        ("fe80::/10", "link-local, RFC 4291"),
        ("fe80::a9fe:a9fe/128", "OpenStack's metadata"),
        # ::253 resolves names, ::254 is the metadata, ::23 hands out the credentials of EKS.
        ("fd00:ec2::/32", "AWS's services in the instance"),
        ("fd00:42::42/128", "Scaleway's metadata"),
        ("fd00:100::100:200/128", "Alibaba's metadata"),
        ("fd00:a9fe:a9fe::1/128", "Akamai's metadata"),
        ("fd00:c1::a9fe:a9fe/128", "Oracle's metadata"),
        ("fd20:ce::254/128", "Google's metadata"),
    )
)

SPECIAL = _networks(
    (
        # IANA's IPv4 special-purpose address registry.
        ("0.0.0.0/8", "this network, RFC 791"),
        ("0.0.0.0/32", "this host, RFC 1122"),
        ("10.0.0.0/8", "private, RFC 1918"),
        ("100.64.0.0/10", "shared between carriers, RFC 6598"),
        ("127.0.0.0/8", "loopback, RFC 1122"),
        ("169.254.0.0/16", "link-local, RFC 3927"),
        ("172.16.0.0/12", "private, RFC 1918"),
        ("192.0.0.0/24", "protocol assignments, RFC 6890"),
        ("192.0.0.0/29", "IPv4 service continuity, RFC 7335"),
        ("192.0.0.8/32", "dummy, RFC 7600"),
        ("192.0.0.9/32", "port control anycast, RFC 7723"),
        ("192.0.0.10/32", "TURN anycast, RFC 8155"),
        ("192.0.0.170/32", "NAT64 discovery, RFC 7050"),
        ("192.0.0.171/32", "NAT64 discovery, RFC 7050"),
        ("192.0.2.0/24", "documentation, RFC 5737"),
        ("192.31.196.0/24", "AS112, RFC 7535"),
        ("192.52.193.0/24", "multicast tunnelling, RFC 7450"),
        ("192.88.99.0/24", "6to4 relays, RFC 7526"),
        ("192.88.99.2/32", "6a44 relays, RFC 6751"),
        ("192.168.0.0/16", "private, RFC 1918"),
        ("192.175.48.0/24", "AS112, RFC 7534"),
        ("198.18.0.0/15", "benchmarking, RFC 2544"),
        ("198.51.100.0/24", "documentation, RFC 5737"),
        ("203.0.113.0/24", "documentation, RFC 5737"),
        ("240.0.0.0/4", "reserved, RFC 1112"),
        ("255.255.255.255/32", "broadcast, RFC 919"),
        # IANA's IPv6 special-purpose address registry.
        ("::/128", "unspecified, RFC 4291"),
        ("::1/128", "loopback, RFC 4291"),
        ("::ffff:0:0/96", "IPv4-mapped, RFC 4291"),
        ("64:ff9b::/96", "NAT64, RFC 6052"),
        ("64:ff9b:1::/48", "NAT64 of a local network, RFC 8215"),
        ("100::/64", "discarded, RFC 6666"),
        ("100:0:0:1::/64", "dummy, RFC 9780"),
        ("2001::/23", "protocol assignments, RFC 2928"),
        ("2001::/32", "Teredo, RFC 4380"),
        ("2001:1::1/128", "port control anycast, RFC 7723"),
        ("2001:1::2/128", "TURN anycast, RFC 8155"),
        ("2001:1::3/128", "service registration anycast, RFC 9665"),
        ("2001:2::/48", "benchmarking, RFC 5180"),
        ("2001:3::/32", "multicast tunnelling, RFC 7450"),
        ("2001:4:112::/48", "AS112, RFC 7535"),
        ("2001:10::/28", "ORCHID, RFC 4843"),
        ("2001:20::/28", "ORCHIDv2, RFC 7343"),
        ("2001:30::/28", "drone remote ids, RFC 9374"),
        ("2001:db8::/32", "documentation, RFC 3849"),
        ("2002::/16", "6to4, RFC 3056"),
        ("2620:4f:8000::/48", "AS112, RFC 7534"),
        ("3fff::/20", "documentation, RFC 9637"),
        ("5f00::/16", "segment routing, RFC 9602"),
        ("fc00::/7", "unique local, RFC 4193"),
        ("fe80::/10", "link-local, RFC 4291"),
        # In neither.
        ("224.0.0.0/4", "multicast, RFC 5771"),
        ("::/96", "IPv4-compatible, RFC 4291"),
        ("::ffff:0:0:0/96", "IPv4-translated, RFC 2765"),
        ("fec0::/10", "site-local, RFC 3879"),
        ("ff00::/8", "multicast, RFC 4291"),
    )
)

# On IPv6 nothing else was ever given out to receivers (RFC 4291, section 2.4).
GLOBAL_UNICAST = IPv6Network("2000::/3")

# Whose last 32 bits are an IPv4 address, to which a gateway passes on what it gets.
CARRIERS = tuple(map(IPv6Network, ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96")))
# Its gateways may use prefixes of any length that RFC 6052 allows, each with its own place for the IPv4 address.
LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
