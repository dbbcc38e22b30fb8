"""The scenarios, each a module with `run(lab)`, which yields the rows of its results as it has them."""

NAMES = (
    "naive",
    "steady",
    "idle",
    "hanging",
    "latency",
    "tls",
    "sparse",
    "hot",
    "neighbour",
    "backlog",
    "gated",
    "ingest",
    "sqlite",
)
# Scenarios that run on SQLite; the others need PostgreSQL.
ON_SQLITE = frozenset({"sqlite"})
