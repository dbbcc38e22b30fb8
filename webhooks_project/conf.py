"""The dispatcher's own settings: one typed, frozen object, read from the environment in one place."""

import base64
import dataclasses
import ipaddress
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NewType, get_type_hints

from dispatch import egress_proxy
from dispatch.egress_proxy import EgressProxy

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
EncryptionKey = NewType("EncryptionKey", str)
EmailAddress = NewType("EmailAddress", str)
BaseUrl = NewType("BaseUrl", str)
# Everybody knows it.
DEBUG_ENCRYPTION_KEY = EncryptionKey(base64.b64encode(b"only-for-debugging".ljust(32)).decode())

_MAY_BE_ZERO = {
    "channels",
    "custom_headers",
    "api_rate_limit",
    "trusted_proxies",
    "metadata_entries",
    "enforce_event_types",
    "egress_proxy_resolves",
    "https_only",
    "ownership_challenge",
    "challenge_schedule",
    "mail_schedule",
    "mail_subscribers",
    "retry_schedule",
    "retry_jitter",
    "retry_after_max",
    "response_limit",
    "flush_interval",
    "behind_tls",
    "hsts",
    "pump_linger",
    "test_wait",
    "wake_pause",
}
# Ten years in seconds, more than any setting needs: added to now, much more would not be a date any more.
_LARGEST = 10 * 366 * 86400
_ENCRYPTION_KEY_BYTES = 32


class InvalidSetting(Exception):
    """A setting's text cannot be read as its type."""


def _setting(default: Any, meaning: str, *, secret: bool = False) -> Any:
    # What is secret stands in no representation, so in no log and on no error page.
    return dataclasses.field(default=default, repr=not secret, metadata={"meaning": meaning, "secret": secret})


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSettings:
    """Everything that can be set about dispatching. Times are seconds, sizes are bytes."""

    enforce_event_types: bool = _setting(
        False, "Refuse to publish an event whose type was not created as an event type first."
    )
    payload_limit: int = _setting(256 * 1024, "Largest payload of an event that is accepted, in bytes.")
    batch_limit: int = _setting(10 * 1024 * 1024, "Largest request body that publishes many events at once, in bytes.")
    deliver_after_max: float = _setting(
        30 * 86400, "Seconds from now within which the `deliver_after` of a new event must be."
    )
    retry_schedule: tuple[float, ...] = _setting(
        (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400),
        "Seconds from a failed attempt to the next, one number per retry. After the last the delivery has failed.",
    )
    retry_jitter: float = _setting(0.1, "Part of a delay that is random: 0.1 makes 300 s any time from 300 s to 330 s.")
    retry_after_max: float = _setting(86400, "Longest `Retry-After` of a receiver that is obeyed, in seconds.")
    request_deadline: float = _setting(
        15, "Seconds that one attempt may take in all, from the name look-up to the last byte of the response."
    )
    connect_timeout: float = _setting(5, "Seconds to wait for a TCP connection to a receiver.")
    response_limit: int = _setting(
        16 * 1024, "Bytes of a response that are kept in the log, headers and body together."
    )
    allowed_networks: tuple[Network, ...] = _setting(
        (),
        "Networks that deliveries may reach although they are not public, such as `10.1.0.0/16`. "
        "Cloud metadata addresses stay refused.",
    )
    ca_file: Path | None = _setting(  # noqa: RUF009 - a field as all others
        None, "File with certificates of authorities (PEM) that are trusted beside the well-known ones."
    )
    idle_connections: int = _setting(256, "Connections to receivers that one worker process keeps open for later.")
    idle_seconds: float = _setting(
        4,
        "Seconds after which a connection that was not used is closed. "
        "Most servers wait for 5: whoever closes first loses no request.",
    )
    allowed_ports: tuple[range, ...] = _setting(
        (),
        "Ports that deliveries may reach, such as `443,8000-8999`, everywhere. "
        "With none given: 80, 443, 8000, 8080 and 8443, and any port within `WEBHOOKS_ALLOWED_NETWORKS`.",
    )
    https_only: bool | None = _setting(
        None,
        "Whether plain http is refused everywhere (`true`) or allowed everywhere (`false`). "
        "With none given: refused, except within `WEBHOOKS_ALLOWED_NETWORKS` and with `DEBUG`.",
    )
    dns_timeout: float = _setting(5, "Seconds to wait for the addresses of a receiver's host name.")
    concurrency: int = _setting(64, "Requests that one worker process has under way at a time.")
    lane_window_max: int = _setting(
        64,
        "Requests that one endpoint may have under way in a process at a time, at most half of `WEBHOOKS_CONCURRENCY`.",
    )
    lane_lease: float = _setting(
        10, "Seconds after which the endpoints that a killed process was serving are served by others."
    )
    claim_lease: float = _setting(
        60, "Seconds after which a delivery that a killed process was sending is sent again by others."
    )
    pump_slice: float = _setting(30, "Seconds that a worker process serves before it makes room for other tasks.")
    pump_linger: float = _setting(
        1,
        "Seconds that a worker process waits for the next delivery after the last before it makes room for others.",
    )
    flush_size: int = _setting(200, "Outcomes that are written to the database in one statement.")
    flush_interval: float = _setting(0.02, "Seconds that an outcome may wait for others to be written with it.")
    sweep_interval: float = _setting(5, "Seconds between two sweeps, which find what a wake-up missed.")
    wake_timeout: float = _setting(
        0.4, "Seconds that a wake-up waits for Redis at each of its steps before it is left to the sweep."
    )
    wake_pause: float = _setting(5, "Seconds that wake-ups leave Redis alone after it did not answer.")
    breaker_failure_rate: float = _setting(
        0.7,
        "Part of an endpoint's last attempts that must fail for its breaker to open: then it gets nothing for a while.",
    )
    breaker_minimum: int = _setting(10, "Attempts that there must be before their part that failed counts.")
    breaker_window: float = _setting(300, "Seconds for which an attempt counts for the breaker.")
    breaker_connection_failures: int = _setting(
        5, "Attempts in a row without a connection after which the breaker opens, however few there were."
    )
    breaker_pause: float = _setting(
        30, "Seconds until one attempt may go to an endpoint whose breaker is open. Doubled each time that it fails."
    )
    breaker_pause_max: float = _setting(600, "Longest pause of a breaker, in seconds.")
    throttle_step: float = _setting(
        10,
        "Seconds between the steps by which an endpoint gets more again, a tenth each, "
        "after its rate was halved by 429, 502, 503, 504 or `Retry-After`.",
    )
    disable_after: float = _setting(
        432000,
        "Seconds without one success after which an endpoint is disabled, counted from the first failure. "
        "Warnings come at 50 % and 80 %.",
    )
    disable_span: float = _setting(
        43200, "Seconds that there must be at least between the first and the last of those failures."
    )
    disable_attempts: int = _setting(10, "Attempts that must have failed before an endpoint is disabled.")
    ownership_challenge: bool = _setting(
        False, "Let a new endpoint, and one whose URL was changed, answer a signed challenge before it gets anything."
    )
    challenge_schedule: tuple[float, ...] = _setting(
        (10, 60, 600, 3600, 21600, 57600),
        "Seconds from a failed challenge to the next, one number per retry. After the last nobody retries by itself, "
        "and what waits for the endpoint is cancelled.",
    )
    test_wait: float = _setting(
        5, "Seconds that a request which sends a test event waits for its attempt before it answers 202."
    )
    custom_headers: int = _setting(20, "Custom headers that one endpoint may have.")
    custom_headers_size: int = _setting(
        8192, "Bytes that names and values of one endpoint's custom headers may have together."
    )
    channels: int = _setting(20, "Channels that one endpoint or one event may name.")
    metadata_entries: int = _setting(50, "Entries that the metadata of one subscriber or endpoint may have.")
    metadata_size: int = _setting(
        16 * 1024, "Bytes that keys and values of the metadata of one subscriber or endpoint may have together."
    )
    own_retries: int = _setting(20, "Retries that an endpoint's own retry schedule may have.")
    own_retry_min: float = _setting(1, "Shortest delay in an endpoint's own retry schedule, in seconds.")
    own_retry_max: float = _setting(7 * 86400, "Longest delay in an endpoint's own retry schedule, in seconds.")
    schema_size: int = _setting(64 * 1024, "Bytes that the JSON Schema of an event type, or its example, may have.")
    token_lifetime: float = _setting(
        300, "Seconds that an OAuth 2 access token is used if its token endpoint does not say how long it is good."
    )
    api_rate_limit: int = _setting(
        0, "Requests that one API key may send in a minute, if it has no limit of its own. 0: any number."
    )
    idempotency_lifetime: float = _setting(
        86400, "Seconds that the answer to a request with an `Idempotency-Key` is kept, to be given again."
    )
    trusted_proxies: int = _setting(
        0,
        "Proxies in front of the web server that append to `X-Forwarded-For`. The audit log takes the client's address "
        "from there.",
    )
    encryption_keys: tuple[EncryptionKey, ...] = _setting(
        (),
        "Keys for secrets in the database, each the output of `openssl rand -base64 32`: the first encrypts, all "
        "decrypt. Needed, except with `DEBUG`.",
        secret=True,
    )
    egress_proxy: EgressProxy | None = _setting(  # noqa: RUF009 - a field like all others
        None,
        "Proxy that everything goes out through: `http://`, `https://`, `socks5://` or `socks5h://`, with "
        "`user:password@` if it wants that, host and port.",
        secret=True,
    )
    egress_proxy_resolves: bool = _setting(
        False,
        "Give the proxy names instead of judged addresses: its own filter decides then. `socks5h://` always does.",
    )
    egress_ips: tuple[Network, ...] = _setting(
        (),
        "Addresses or networks that requests come from, as receivers see them. "
        "They are published at `/api/v1/egress-ips/`.",
    )
    rollup_interval: float = _setting(
        15, "Seconds between two times that attempts are added up and the waiting counted, for the dashboard."
    )
    list_timeout: float = _setting(
        5, "Seconds that PostgreSQL may look for one page of a list in the admin, before it is asked to be narrowed."
    )
    list_rows: int = _setting(
        50_000, "Rows that one page of a list in the admin looks at, where it is filtered by what has no index."
    )
    login_failures: int = _setting(
        10, "Failed logins to the admin, of one user from one address, after which both have to wait."
    )
    login_pause: float = _setting(900, "Seconds that they have to wait.")
    password_grace: float = _setting(
        300, "Seconds for which the admin does not ask again for the password that was given to see a secret."
    )
    behind_tls: bool = _setting(
        False,
        "The web server is reached through a proxy that ends TLS and sets `X-Forwarded-Proto` itself: "
        "cookies of the admin go over https only.",
    )
    hsts: float = _setting(
        0, "Seconds that browsers come over https only, once they did (HSTS). Told where `WEBHOOKS_BEHIND_TLS` is set."
    )
    operator_emails: tuple[EmailAddress, ...] = _setting(
        (), "Addresses that are told by mail what operators should know. Needs `EMAIL_URL`."
    )
    mail_subscribers: bool = _setting(
        False, "Tell subscribers that have a contact address by mail too, about their own endpoints. Needs `EMAIL_URL`."
    )
    public_url: BaseUrl | None = _setting(  # noqa: RUF009 - a field as all others
        None, "Address of the web server for links in mails, such as `https://hooks.example.com`."
    )
    mail_timeout: float = _setting(10, "Seconds to wait for each answer of the mail server.")
    mail_schedule: tuple[float, ...] = _setting(
        (60, 300, 1800, 3600, 7200, 14400, 28800, 86400, 86400),
        "Seconds from a failed try to send a mail to the next, one number per retry. After the last it is given up.",
    )
    tell_interval: float = _setting(
        60, "Seconds between two looks for what operators are told of: failed deliveries, the backlog, mails."
    )
    backlog_age: float = _setting(
        300, "Seconds that the oldest due delivery may have waited before operators are told, if it gets worse."
    )
    tell_again: float = _setting(
        3600,
        "Seconds after which operators are told again of what lasts: a backlog that grows, an endpoint that fails.",
    )
    notice_retention: float = _setting(
        90 * 86400, "Seconds after which a notice, and a mail that was sent or given up, is deleted."
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            _check_numbers(field.name, value if isinstance(value, tuple) else (value,))
        if self.egress_proxy_resolves and self.egress_proxy is None:
            raise InvalidSetting(f"{variable('egress_proxy_resolves')} needs {variable('egress_proxy')}.")
        if self.claim_lease < 2 * self.request_deadline:
            raise InvalidSetting(
                f"{variable('claim_lease')} must be at least twice {variable('request_deadline')}: "
                "a delivery would be taken for lost while its request is under way."
            )


def variable(field: str) -> str:
    """Name the environment variable that sets `field`."""
    return f"WEBHOOKS_{field.upper()}"


def _check_numbers(field: str, values: Iterable[Any]) -> None:
    may_be_zero = field in _MAY_BE_ZERO
    for number in values:
        if isinstance(number, int | float) and not (0 < number <= _LARGEST or (number == 0 and may_be_zero)):
            least = "0 or greater" if may_be_zero else "greater than 0"
            raise InvalidSetting(f"{variable(field)} must be {least}, and at most {_LARGEST}.")


def _boolean(text: str) -> bool:
    try:
        return {
            "1": True,
            "true": True,
            "yes": True,
            "on": True,
            "0": False,
            "false": False,
            "no": False,
            "off": False,
        }[text.strip().lower()]
    except KeyError:
        raise ValueError("write true or false") from None


def _ports(text: str) -> range:
    first, dash, last = (part.strip() for part in text.partition("-"))
    if first.isdecimal() and (last.isdecimal() if dash else True):
        ports = range(int(first), int(last or first) + 1)
        if ports and ports[0] >= 1 and ports[-1] <= 65535:
            return ports
    raise ValueError(f"{text!r} is no port, or range of ports, from 1 to 65535")


def _list_of(read: Callable[[str], Any]) -> Callable[[str], tuple[Any, ...]]:
    return lambda text: tuple(read(part.strip()) for part in text.split(",") if part.strip())


def _file(text: str) -> Path:
    path = Path(text)
    if not path.is_file():
        raise ValueError("there is no such file")
    return path


def _encryption_key(text: str) -> EncryptionKey:
    key = text.replace("+", "-").replace("/", "_")
    try:
        length = len(base64.b64decode(key, altchars=b"-_", validate=True))
    except ValueError:
        length = 0
    if length != _ENCRYPTION_KEY_BYTES:
        raise ValueError("each key must be the output of: openssl rand -base64 32")
    return EncryptionKey(key)


def _email_address(text: str) -> EmailAddress:
    name, at, host = text.rpartition("@")
    if not (name and at and host) or any(each.isspace() for each in text) or not text.isprintable():
        raise ValueError(f"{text!r} is no e-mail address")
    return EmailAddress(text)


def _base_url(text: str) -> BaseUrl | None:
    address = text.strip().rstrip("/")
    if address and not address.startswith(("https://", "http://")):
        raise ValueError("it must begin with https:// or http://")
    return BaseUrl(address) or None


def _proxy(text: str) -> EgressProxy | None:
    return egress_proxy.read(text) if text.strip() else None


_READERS: dict[Any, Callable[[str], Any]] = {
    bool: _boolean,
    bool | None: _boolean,
    int: int,
    float: float,
    Path | None: _file,
    EgressProxy | None: _proxy,
    tuple[float, ...]: _list_of(float),
    tuple[Network, ...]: _list_of(ipaddress.ip_network),
    tuple[range, ...]: _list_of(_ports),
    tuple[EncryptionKey, ...]: _list_of(_encryption_key),
    tuple[EmailAddress, ...]: _list_of(_email_address),
    BaseUrl | None: _base_url,
}


def from_environment(environment: Mapping[str, str]) -> WebhookSettings:
    """Read every `WEBHOOKS_*` variable that names a setting.

    Raises `InvalidSetting` with the variable, its text and what is wrong with it.
    """
    hints: Mapping[str, Any] = types.MappingProxyType(get_type_hints(WebhookSettings))
    values = {}
    for field in dataclasses.fields(WebhookSettings):
        text = environment.get(variable(field.name))
        if text is None:
            continue
        try:
            values[field.name] = _READERS[hints[field.name]](text)
        except ValueError as error:
            given = "" if field.metadata["secret"] else f"={text!r}"
            raise InvalidSetting(f"{variable(field.name)}{given} cannot be read: {error}.") from error
    return WebhookSettings(**values)
