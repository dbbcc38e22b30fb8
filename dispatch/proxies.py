"""Asking an egress proxy for a tunnel: HTTP CONNECT (RFC 9110, section 9.3.6) and SOCKS 5 (RFC 1928, RFC 1929)."""

import base64
import re
import socket
import ssl
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from typing import TypeVar

from dispatch.egress_proxy import EgressProxy
from dispatch.states import Outcome

T = TypeVar("T")

_HEAD_LENGTH = 16 * 1024
_END = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: |\r\n)")
_REFUSED_CREDENTIALS = 407
# What proxies say when it is the receiver that does not let itself be reached.
_UNREACHED = {502, 503}
_TOO_LATE = 504

_SOCKS = 5
_NO_LOGIN, _PASSWORD = 0, 2
_IPV4, _NAME, _IPV6 = 1, 3, 4
_ANSWERS = {
    1: "general failure",
    2: "not allowed",
    3: "network unreachable",
    4: "host unreachable",
    5: "connection refused",
    6: "TTL expired",
    7: "command not supported",
    8: "address type not supported",
}
_ANSWERS_ABOUT_THE_RECEIVER = {3, 4, 5, 6}


class ProxyFailed(Exception):
    """There is no way through the proxy, for a reason that is a sentence.

    `was_asked` says whether the proxy was asked for the receiver: if it was not, another address of the receiver
    makes no difference. Not an `OSError`: what urllib3 and others make of those blames the receiver.
    """

    def __init__(self, reason: str, *, outcome: Outcome = Outcome.PROXY_ERROR, was_asked: bool = False) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.was_asked = was_asked


def tunnel(connected: socket.socket, proxy: EgressProxy, host: str, port: int, tls: ssl.SSLContext) -> socket.socket:
    """Have `proxy`, to which `connected` leads, connect to an address or a name, and return the socket to speak over.

    `tls` is for a proxy that speaks TLS itself. Raises `ProxyFailed`.
    """
    if proxy.scheme == "https":
        connected = _speak_tls(connected, proxy, tls)
    try:
        (_by_socks if proxy.is_socks else _by_connect)(connected, proxy, host, port)
    except BaseException:
        connected.close()
        raise
    return connected


def _speak_tls(connected: socket.socket, proxy: EgressProxy, tls: ssl.SSLContext) -> socket.socket:
    try:
        return tls.wrap_socket(connected, server_hostname=proxy.host)
    except TimeoutError:
        raise ProxyFailed("The egress proxy did not answer in time.") from None
    except ssl.SSLError as error:
        reason = getattr(error, "verify_message", "") or error.reason or "no handshake"
        raise ProxyFailed(f"TLS with the egress proxy failed: {reason.replace('_', ' ').lower()}.") from None
    except OSError:
        raise ProxyFailed("The egress proxy closed the connection.") from None


def _by_connect(connected: socket.socket, proxy: EgressProxy, host: str, port: int) -> None:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.username is not None:
        credentials = base64.b64encode(f"{proxy.username}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {credentials}")
    head = _asked(lambda: _head_of_answer(connected, "\r\n".join((*lines, "\r\n")).encode()))
    match = _STATUS.match(head)
    if match is None or not head.endswith(_END):
        raise ProxyFailed("The egress proxy did not answer in HTTP.", was_asked=True)
    status = int(match[1])
    if 200 <= status < 300:
        return
    if status == _REFUSED_CREDENTIALS:
        raise ProxyFailed("The egress proxy does not accept our credentials (407).")
    if status in _UNREACHED:
        raise _unreached(str(status))
    if status == _TOO_LATE:
        raise _too_late()
    raise ProxyFailed(f"The egress proxy refused to connect to the receiver ({status}).", was_asked=True)


def _head_of_answer(connected: socket.socket, request: bytes) -> bytes:
    connected.sendall(request)
    # One byte at a time: what follows the head belongs to the receiver already.
    head = bytearray()
    while not head.endswith(_END) and len(head) < _HEAD_LENGTH:
        head += _received(connected, 1)
    return bytes(head)


def _by_socks(connected: socket.socket, proxy: EgressProxy, host: str, port: int) -> None:
    _not_yet_asked(lambda: _log_in(connected, proxy))
    request = bytes((_SOCKS, 1, 0)) + _socks_address(host) + port.to_bytes(2, "big")
    answer = _asked(lambda: _socks_answer(connected, request))
    if answer in _ANSWERS_ABOUT_THE_RECEIVER:
        raise _unreached(_ANSWERS[answer])
    if answer != 0:
        reason = _ANSWERS.get(answer, f"answer {answer}")
        raise ProxyFailed(f"The egress proxy refused to connect to the receiver ({reason}).", was_asked=True)


def _log_in(connected: socket.socket, proxy: EgressProxy) -> None:
    ways = bytes((_NO_LOGIN,)) if proxy.username is None else bytes((_NO_LOGIN, _PASSWORD))
    connected.sendall(bytes((_SOCKS, len(ways))) + ways)
    version, way = _received(connected, 2)
    if version != _SOCKS:
        raise ProxyFailed("The egress proxy did not answer in SOCKS 5.")
    if way == _NO_LOGIN:
        return
    if way != _PASSWORD or proxy.username is None:
        raise ProxyFailed("The egress proxy wants another way to log in than it is given.")
    username, password = proxy.username.encode(), proxy.password.encode()
    connected.sendall(b"\x01" + bytes((len(username),)) + username + bytes((len(password),)) + password)
    if _received(connected, 2)[1] != 0:
        raise ProxyFailed("The egress proxy does not accept our credentials.")


def _socks_address(host: str) -> bytes:
    try:
        address = ip_address(host)
    except ValueError:
        name = host.encode("ascii")
        return bytes((_NAME, len(name))) + name
    return bytes((_IPV6 if isinstance(address, IPv6Address) else _IPV4,)) + address.packed


def _socks_answer(connected: socket.socket, request: bytes) -> int:
    connected.sendall(request)
    version, answer, _, kind = _received(connected, 4)
    lengths: dict[int, Callable[[], int]] = {
        _IPV4: lambda: 4,
        _IPV6: lambda: 16,
        _NAME: lambda: _received(connected, 1)[0],
    }
    if version != _SOCKS or (answer == 0 and kind not in lengths):
        raise ProxyFailed("The egress proxy did not answer in SOCKS 5.", was_asked=True)
    if answer == 0:
        # The address that the proxy connects from, and its port.
        _received(connected, lengths[kind]() + 2)
    return answer


def _received(connected: socket.socket, length: int) -> bytes:
    received = b""
    while len(received) < length:
        part = connected.recv(length - len(received))
        if not part:
            raise ConnectionError
        received += part
    return received


def _not_yet_asked(speak: Callable[[], None]) -> None:
    try:
        speak()
    except TimeoutError:
        raise ProxyFailed("The egress proxy did not answer in time.") from None
    except OSError:
        raise ProxyFailed("The egress proxy closed the connection.") from None


def _asked(speak: Callable[[], T]) -> T:
    # Whether the proxy or the receiver is to blame for silence from here on, nobody can tell.
    try:
        return speak()
    except TimeoutError:
        raise _too_late() from None
    except OSError:
        raise ProxyFailed(
            "The egress proxy closed the connection instead of connecting to the receiver.",
            outcome=Outcome.CONNECTION_ERROR,
            was_asked=True,
        ) from None


def _unreached(reason: str) -> ProxyFailed:
    sentence = f"The egress proxy did not reach the receiver ({reason})."
    return ProxyFailed(sentence, outcome=Outcome.CONNECTION_ERROR, was_asked=True)


def _too_late() -> ProxyFailed:
    sentence = "The egress proxy did not connect to the receiver in time."
    return ProxyFailed(sentence, outcome=Outcome.TIMEOUT, was_asked=True)
