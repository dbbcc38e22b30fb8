"""The proxy that everything goes out through, as the settings name it. Pure."""

from dataclasses import dataclass, field
from urllib.parse import unquote

from urllib3.exceptions import LocationParseError
from urllib3.util import Url, parse_url

SCHEMES = ("http", "https", "socks5", "socks5h")
# RFC 1929, section 2: the length of either is one byte.
_LONGEST_FOR_SOCKS = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressProxy:
    """A proxy, with what it knows us by. No representation shows that."""

    scheme: str
    host: str
    port: int
    username: str | None = field(default=None, repr=False)
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def is_socks(self) -> bool:
        return self.scheme.startswith("socks")


def read(text: str) -> EgressProxy:
    """Read a URL such as `http://user:password@proxy.example:3128`.

    User and password may be percent-encoded. Raises `ValueError`, whose message repeats nothing of the URL.
    """
    url = _parsed(text)
    if url is None or not url.host or url.scheme not in SCHEMES:
        raise ValueError("write http://, https://, socks5:// or socks5h://, then a host and a port")
    if url.port is None:
        raise ValueError("name the port of the proxy")
    if url.path not in (None, "/") or url.query is not None or url.fragment is not None:
        raise ValueError("nothing may follow the port")
    username, has_password, password = (url.auth or "").partition(":")
    username, password = unquote(username), unquote(password)
    if has_password and not username:
        raise ValueError("there is a password, but no user")
    for part in (username, password):
        if any(ord(each) < 32 or ord(each) == 127 for each in part):
            raise ValueError("user and password may not contain control characters")
        if url.scheme.startswith("socks") and len(part.encode()) > _LONGEST_FOR_SOCKS:
            raise ValueError(f"SOCKS allows {_LONGEST_FOR_SOCKS} bytes each for user and password")
    if ":" in username and not url.scheme.startswith("socks"):
        raise ValueError("the user may not contain a colon (RFC 7617, section 2)")
    return EgressProxy(
        scheme=url.scheme,
        host=url.host.strip("[]"),
        port=url.port,
        username=username or None,
        password=password,
    )


def _parsed(text: str) -> Url | None:
    try:
        return parse_url(text.strip())
    except LocationParseError:
        return None
