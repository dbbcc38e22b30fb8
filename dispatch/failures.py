"""Why a request got no complete answer: the class of what happened, and a sentence without the URL."""

import ssl
from collections.abc import Iterator
from http.client import HTTPException, IncompleteRead, RemoteDisconnected

from urllib3.exceptions import HTTPError, LocationValueError, NameResolutionError, NewConnectionError, SSLError
from urllib3.exceptions import TimeoutError as HTTPTimeout

from dispatch.connections import AddressRefused, NameNotResolvedInTime
from dispatch.proxies import ProxyFailed
from dispatch.states import Outcome
from dispatch.tls_contexts import TlsUnusable


def explain(problem: BaseException, *, has_answered: bool) -> tuple[Outcome, str]:
    """Say what kept an answer from coming: its class, and a sentence without the URL."""
    causes = list(_causes(problem))

    def find(*kinds: type[BaseException]) -> BaseException | None:
        return next((cause for cause in causes if isinstance(cause, kinds)), None)

    if refused := find(AddressRefused):
        return Outcome.ADDRESS_REFUSED, f"The address was refused: {refused}"
    if isinstance(unusable := find(TlsUnusable), TlsUnusable):
        return Outcome.CANNOT_BUILD, f"The endpoint's certificates cannot be used. {unusable}"
    if isinstance(failed := find(ProxyFailed), ProxyFailed):
        return failed.outcome, str(failed)
    if find(NameNotResolvedInTime):
        return Outcome.TIMEOUT, "The host name was not resolved in time."
    if find(NameResolutionError):
        return Outcome.DNS_ERROR, "The host name could not be resolved."
    if tls := find(ssl.SSLError) or find(SSLError):
        return Outcome.TLS_ERROR, f"TLS failed: {_reason_of_tls(tls)}."
    if find(TimeoutError, HTTPTimeout) and not find(NewConnectionError):
        return Outcome.TIMEOUT, "The connection timed out."
    if find(IncompleteRead):
        return Outcome.PROTOCOL_ERROR, "The answer ended before it was complete."
    if find(HTTPException) and not find(RemoteDisconnected, ConnectionError):
        return Outcome.PROTOCOL_ERROR, "The answer was not valid HTTP."
    if find(OSError):
        reasons = (cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror)
        return Outcome.CONNECTION_ERROR, f"The connection failed: {next(reasons, 'closed by the receiver')}."
    if has_answered or (find(HTTPError) and not find(LocationValueError)):
        return Outcome.PROTOCOL_ERROR, "The answer was not valid HTTP."
    return Outcome.CANNOT_BUILD, f"The request could not be sent ({type(problem).__name__})."


def _causes(problem: BaseException | None) -> Iterator[BaseException]:
    """Walk from what was raised to what happened first."""
    seen: list[BaseException] = []
    todo = [problem]
    while todo:
        current = todo.pop(0)
        if not isinstance(current, BaseException) or any(current is other for other in seen):
            continue
        seen.append(current)
        yield current
        todo += [*current.args, getattr(current, "reason", None), current.__cause__, current.__context__]


def _reason_of_tls(problem: BaseException) -> str:
    if isinstance(problem, ssl.SSLEOFError):
        return "the receiver closed the connection"
    message = getattr(problem, "verify_message", "") or getattr(problem, "reason", "")
    return message.replace("_", " ").lower().rstrip(".") if isinstance(message, str) and message else "no handshake"
