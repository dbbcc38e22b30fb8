"""What somebody may ask of an endpoint's state, and from which states.

active, unverified          -> paused              (pause)
paused                      -> active, unverified  (resume)
active, unverified, paused  -> disabled            (disable)
disabled                    -> active, unverified  (enable)
"""

import enum
from collections.abc import Mapping

from subscriptions.models.endpoint_state import EndpointState


class Move(enum.StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    DISABLE = "disable"
    ENABLE = "enable"


TO: Mapping[Move, EndpointState] = {
    Move.PAUSE: EndpointState.PAUSED,
    Move.RESUME: EndpointState.ACTIVE,
    Move.DISABLE: EndpointState.DISABLED,
    Move.ENABLE: EndpointState.ACTIVE,
}
_FROM: Mapping[Move, tuple[EndpointState, ...]] = {
    Move.PAUSE: (EndpointState.ACTIVE, EndpointState.UNVERIFIED),
    Move.RESUME: (EndpointState.PAUSED,),
    Move.DISABLE: (EndpointState.ACTIVE, EndpointState.UNVERIFIED, EndpointState.PAUSED),
    Move.ENABLE: (EndpointState.DISABLED,),
}
_DONE = {Move.PAUSE: "paused", Move.RESUME: "resumed", Move.DISABLE: "disabled", Move.ENABLE: "enabled"}


class WrongState(Exception):
    """An endpoint is not in a state from which it can be moved like this. The message says in which it is."""


def states_for(move: Move) -> tuple[EndpointState, ...]:
    """List the states from which an endpoint can be moved like this."""
    return _FROM[move]


def check_move(move: Move, state: EndpointState) -> None:
    """Raise `WrongState` unless an endpoint in this state can be moved like this."""
    if state not in _FROM[move]:
        allowed = " or ".join(_FROM[move])
        raise WrongState(f"Only an endpoint that is {allowed} can be {_DONE[move]}. This one is {state}.")


def done(move: Move) -> str:
    """Name what an endpoint is afterwards."""
    return _DONE[move]


def reason_of(move: Move, *, by: str) -> str:
    """Say why an endpoint is in its new state, where nobody gave another reason."""
    return "" if TO[move] is EndpointState.ACTIVE else f"{_DONE[move].capitalize()} by {by}."
