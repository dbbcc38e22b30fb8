"""Looking up the addresses of names within a time limit, which the resolver of the C library does not know."""

import socket
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NoAnswerInTime
from ipaddress import ip_address
from typing import Any

# A name server that does not answer holds a thread for half a minute: there are enough left for other names.
_RESOLVERS = 256

AddressInfo = tuple[Any, ...]

__all__ = ["AddressInfo", "NameLookups", "NoAnswerInTime", "is_address"]


class NameLookups:
    """Asks the resolver in threads that can be left behind, for up to `timeout` seconds."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._resolvers = ThreadPoolExecutor(_RESOLVERS, thread_name_prefix="resolver")

    def addresses(self, host: str, port: int, *, within: float) -> list[AddressInfo]:
        """Return what `host` can be connected to by, after at most `within` seconds.

        Raises `NoAnswerInTime`, or `socket.gaierror` where there is no such name.
        """
        if is_address(host):
            return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        answer = self._resolvers.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            return answer.result(min(self._timeout, within))
        except NoAnswerInTime:
            answer.cancel()
            raise
        except UnicodeError as error:
            raise socket.gaierror(socket.EAI_NONAME, str(error)) from error

    def close(self) -> None:
        """Let the threads go."""
        self._resolvers.shutdown(wait=False, cancel_futures=True)


def is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
