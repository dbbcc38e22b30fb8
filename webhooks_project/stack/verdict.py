"""Whether everything arrived: what the dispatcher logged, compared with what a receiver logged. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

_OK = 200
_UNAVAILABLE = 503


def problems(
    events: Sequence[str],
    failures: int,
    deliveries: Sequence[Mapping[str, Any]],
    received: Sequence[Mapping[str, Any]],
) -> list[str]:
    """Say, a sentence each, what is not as it should be; nothing if all is well.

    A receiver should have got each of `events` (their ids), after it answered 503 `failures` times in all.
    `deliveries` are those to its endpoint, as the REST API shows them. `received` are the lines of its log,
    one per request in the order of arrival, with `id`, `status`, `verified` and `reason`.
    """
    requests = defaultdict(list)
    for request in received:
        requests[request["id"]].append(request)
    found = []
    if sorted(delivery["event"] for delivery in deliveries) != sorted(events):
        found.append(f"{len(deliveries)} deliveries, but {len(events)} events.")
    if foreign := requests.keys() - set(events):
        found.append(f"Requests came with ids that are not the events': {sorted(map(str, foreign))}.")
    for delivery in deliveries:
        found += _delivery_problems(delivery, requests[delivery["event"]])
    answered = sum(request["status"] == _UNAVAILABLE for request in received)
    if answered != failures:
        found.append(f"It answered 503 {answered} times instead of {failures}.")
    return found


def _delivery_problems(delivery: Mapping[str, Any], requests: Sequence[Mapping[str, Any]]) -> list[str]:
    event = delivery["event"]
    answered = [request["status"] for request in requests]
    if delivery["status"] != "delivered":
        return [f"{event} is {delivery['status']}, the receiver answered {answered}."]
    found = []
    logged = [attempt["status_code"] for attempt in delivery["attempts"]]
    if logged != answered:
        found.append(f"{event}: the dispatcher's log has the answers {logged}, the receiver gave {answered}.")
    verified = sum(request["status"] == _OK and request["verified"] for request in requests)
    if verified != 1:
        reasons = " ".join(request["reason"] for request in requests)
        found.append(f"{event} was accepted and verified {verified} times instead of once. {reasons}".rstrip())
    return found
