"""What receivers do with a connection."""

from collections.abc import Callable

import trustme

from tests.certificates_made import serving_tls
from tests.dispatch.raw_receivers import Conversation

Behaviour = Callable[[Conversation], None]

HEAD = b"HTTP/1.1 200 OK\r\n"
OK = HEAD + b"Content-Length: 2\r\n\r\nok"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def answering(*parts: bytes) -> Behaviour:
    """Answer each request of a connection with `parts`."""

    def behave(conversation: Conversation) -> None:
        while conversation.read_request():
            conversation.send(*parts)

    return behave


def say(*parts: bytes) -> Behaviour:
    """Read a request, say `parts`, and close."""

    def behave(conversation: Conversation) -> None:
        conversation.read_request()
        conversation.send(*parts)

    return behave


def say_and_hold(*parts: bytes) -> Behaviour:
    """Read a request, say `parts`, and nothing more."""

    def behave(conversation: Conversation) -> None:
        say(*parts)(conversation)
        conversation.hold()

    return behave


def say_and_reset(*parts: bytes) -> Behaviour:
    """Read a request, say `parts`, and break off."""

    def behave(conversation: Conversation) -> None:
        say(*parts)(conversation)
        conversation.reset()

    return behave


def drip(start: bytes, part: bytes) -> Behaviour:
    """Read a request, and say `start` and then `part` again and again, with a moment between."""

    def behave(conversation: Conversation) -> None:
        say(start)(conversation)
        conversation.drip(part)

    return behave


def flood(start: bytes, part: bytes) -> Behaviour:
    """Read a request, and say `start` and then `part` for as long as it is taken."""

    def behave(conversation: Conversation) -> None:
        say(start)(conversation)
        conversation.flood(part)

    return behave


def over_tls(certificate: trustme.LeafCert, behave: Behaviour) -> Behaviour:
    """Shake hands, and then `behave`."""
    context = serving_tls(certificate)

    def behave_over_tls(conversation: Conversation) -> None:
        conversation.start_tls(context)
        behave(conversation)

    return behave_over_tls
