"""Gates with rules that are easy to reckon with."""

from dispatch.gates import BreakerRules, Gate, Rules

BREAKER = BreakerRules(failure_rate=0.7, minimum=10, window=300.0, connection_failures=5, pause=30.0, pause_max=600.0)
RULES = Rules(BREAKER, throttle_step=10.0)


def gate(*, empty_until: float | None = None) -> Gate:
    return Gate(RULES, empty_until=empty_until)
