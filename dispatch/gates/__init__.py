"""Gates: how many deliveries of a lane may go now, and when to look again. Pure: time and chance are passed in."""

from dispatch.gates.breaker import Breaker, BreakerRules, Move
from dispatch.gates.gate import Gate, Limits, Opening, Rules, Signal, Why
from dispatch.gates.pace import Pace
from dispatch.gates.throttle import Throttle

__all__ = [
    "Breaker",
    "BreakerRules",
    "Gate",
    "Limits",
    "Move",
    "Opening",
    "Pace",
    "Rules",
    "Signal",
    "Throttle",
    "Why",
]
