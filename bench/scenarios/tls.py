"""`tls`: receivers with certificates of a local authority, on connections that are kept and on new ones."""

from collections.abc import Iterator

from bench import certificates, sink
from bench.lab import Lab
from bench.rows import Row
from bench.scenarios.steady import measure

# Their addresses are all in one certificate, which must not become longer than real ones are.
_HOSTS = 20


def run(lab: Lab) -> Iterator[Row]:
    made = certificates.make(lab.directory / "certificates", sink.hosts(_HOSTS))
    for variant, path, count in (
        ("kept alive", "'now'", lab.size.pick(4_000, 12_000)),
        ("cold", "'close'", lab.size.pick(3_000, 6_000)),
    ):
        yield measure(
            lab,
            "tls",
            variant,
            path=path,
            count=count,
            hosts=_HOSTS,
            certificates=made,
            WEBHOOKS_CA_FILE=str(made.authority),
        )
