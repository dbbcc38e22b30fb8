"""What an endpoint asks of TLS, beside what holds for all. Pure."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Certificates in PEM. Two with the same `digest` are the same.

    With `authorities`, only those are trusted. `certificate` (with its chain) and `key` are shown to the receiver.
    A `problem` says why the rest could not be read: nothing may be sent then.
    """

    digest: str
    authorities: str = field(default="", compare=False, repr=False)
    certificate: str = field(default="", compare=False, repr=False)
    key: str = field(default="", compare=False, repr=False)
    problem: str = field(default="", compare=False)
