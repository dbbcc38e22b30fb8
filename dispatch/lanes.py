"""Lanes: which endpoints are to be served when, and by whom, kept in Redis.

Every endpoint with pending deliveries is a lane in one sorted set, by the time when it may next be served.
A pump takes lanes under a lease, renews it while it works, and releases each with the delay until its next
due delivery. All of this is a hint that may be lost at any moment: the database judges, the sweep rebuilds.

What an owner knows of a lane he leaves to the next as a note, which is gone once that one has taken it: so what is
found is never older than the last turn. A killed owner leaves none, and the next is told so.

Times handed to Redis are delays; the clock is Redis' own. The scripts build the keys of owners from their
prefix, so on a Redis Cluster the hash tag in the prefix keeps them in one slot.
"""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

import redis
from django.conf import settings

Lane = uuid.UUID

_PREFIX = "{webhooks}:lanes:"
_DUE = _PREFIX + "due"  # sorted set: lane -> when it may be served
_LEASES = _PREFIX + "leases"  # sorted set: lane -> when its lease ends
_OWNERS = _PREFIX + "owners"  # hash: lane -> who holds it
_RUNG = _PREFIX + "rung:"  # set for each owner: its lanes that were rung while it held them
_ATTENDED = "{webhooks}:attended"  # there while a pump looks for lanes by itself, or listens to the bell
_BELL = "{webhooks}:bell"  # list: one element when something was rung and nobody has heard it
_CALL = "{webhooks}:call"  # there while a message that calls a pump is on its way
_NOTE = _PREFIX + "note:"  # for each lane what its last owner leaves to the next
_CLOSED = _PREFIX + "closed:"  # for each lane whose gate was closed lately: until when, and why
_SINCE = _PREFIX + "since"  # since when Redis remembers anything
_SWEPT = "{webhooks}:swept"  # there while the last sweep is recent
_RECLAIMED_AT_ONCE = 100
_RUNG_KEPT_MS = 600_000
# What stands in the place of a note where the owner has left none, as it was killed. Kept for longer than any period.
_NO_NOTE = "?"
_NO_NOTE_KEPT_MS = 4_000_000
# Why a lane was closed is known for at least so long: one that is paced is closed and opened all the time.
_CLOSED_KEPT_MS = 2_500
# Longer than a pump listens or is busy between two looks. After a pump was killed, publishers rely on it for so long.
_ATTENDED_MS = 2_000

_NOW = "local t = redis.call('TIME') local now = t[1] * 1000 + math.floor(t[2] / 1000) "

_RING = (
    _NOW
    + """
for i = 3, #ARGV, 2 do
  local lane, delay = ARGV[i], tonumber(ARGV[i + 1])
  local owner = redis.call('HGET', KEYS[2], lane)
  if ARGV[2] == '1' then redis.call('DEL', KEYS[6] .. lane) end
  if not owner then
    local closed = redis.call('GET', KEYS[6] .. lane)
    if closed then delay = math.max(delay, tonumber(string.match(closed, '^%d+')) - now) end
    redis.call('ZADD', KEYS[1], 'LT', now + delay, lane)
  elseif delay == 0 then
    redis.call('SADD', KEYS[3] .. owner, lane)
    redis.call('PEXPIRE', KEYS[3] .. owner, ARGV[1])
  end
end
if redis.call('EXISTS', KEYS[4]) == 0 then return 0 end
if redis.call('LLEN', KEYS[5]) == 0 then redis.call('RPUSH', KEYS[5], 1) end
return 1
"""
)
_TAKE = (
    _NOW
    + """
local owner, limit, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
for _, lane in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[4])) do
  redis.call('SREM', KEYS[4] .. redis.call('HGET', KEYS[3], lane), lane)
  redis.call('SET', KEYS[6] .. lane, now .. ' ' .. ARGV[6], 'PX', ARGV[7])
  redis.call('HDEL', KEYS[3], lane)
  redis.call('ZREM', KEYS[2], lane)
  redis.call('ZADD', KEYS[1], 'LT', now, lane)
end
local taken = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, limit)
local notes = {}
for i, lane in ipairs(taken) do
  notes[i] = redis.call('GETDEL', KEYS[6] .. lane)
  redis.call('ZREM', KEYS[1], lane)
  redis.call('ZADD', KEYS[2], now + lease, lane)
  redis.call('HSET', KEYS[3], lane, owner)
end
local rung = redis.call('SMEMBERS', KEYS[4] .. owner)
redis.call('DEL', KEYS[4] .. owner)
redis.call('SET', KEYS[5], 1, 'PX', ARGV[5])
redis.call('SET', KEYS[7], now, 'NX')
return {taken, rung, redis.call('ZCOUNT', KEYS[1], '-inf', now), notes, now, redis.call('GET', KEYS[7])}
"""
)
_RELEASE = (
    _NOW
    + """
local owner, first_note = ARGV[1], tonumber(ARGV[2])
for i = first_note, #ARGV, 3 do
  if redis.call('HGET', KEYS[3], ARGV[i]) == owner then
    redis.call('SET', KEYS[5] .. ARGV[i], now .. ' ' .. ARGV[i + 1], 'PX', ARGV[i + 2])
  end
end
for i = 3, first_note - 1, 2 do
  local lane, delay = ARGV[i], tonumber(ARGV[i + 1])
  if redis.call('HGET', KEYS[3], lane) == owner then
    redis.call('HDEL', KEYS[3], lane)
    redis.call('ZREM', KEYS[2], lane)
    if redis.call('SREM', KEYS[4] .. owner, lane) == 1 then delay = 0 end
    if delay >= 0 then redis.call('ZADD', KEYS[1], 'LT', now + delay, lane) end
  end
end
"""
)
_RENEW = (
    _NOW
    + """
local lost = {}
for i = 3, #ARGV do
  if redis.call('HGET', KEYS[2], ARGV[i]) == ARGV[1] then
    redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[i])
  else
    lost[#lost + 1] = ARGV[i]
  end
end
return lost
"""
)
_NOTE_CLOSED = (
    _NOW
    + """
for i = 2, #ARGV, 3 do
  local kept = math.max(tonumber(ARGV[1]), tonumber(ARGV[i + 1]))
  redis.call('SET', KEYS[1] .. ARGV[i], (now + ARGV[i + 1]) .. ' ' .. ARGV[i + 2], 'PX', kept)
end
"""
)
_WHY_CLOSED = _NOW + "return {now, redis.call('GET', KEYS[1])}"
_LEAVE = _NOW + "redis.call('DEL', KEYS[2]) return redis.call('ZCOUNT', KEYS[1], '-inf', now)"
_COUNT_WAITING = _NOW + (
    "redis.call('SET', KEYS[3], now, 'NX') "
    "return redis.call('ZCOUNT', KEYS[1], '-inf', now) + redis.call('ZCOUNT', KEYS[2], '-inf', now)"
)


class Note(NamedTuple):
    """What the last owner of a lane has left to the next, `age` seconds ago: None if he was killed before he could."""

    text: str | None
    age: float = 0.0


class Left(NamedTuple):
    """What an owner leaves to the next: a text, and for how many seconds it matters."""

    text: str
    lasts: float


class Closed(NamedTuple):
    """Why the gate of a lane is closed, and for how many seconds."""

    why: str
    wait: float


@dataclass(frozen=True, slots=True)
class Taken:
    """What `Lanes.take` found.

    `lanes` are held from now on. `rung` are lanes that this owner held already and in which something new
    is due. `waiting` is how many due lanes are left for others. `notes` are what their last owners have left to
    the next, where they have. `remembers` is for how many seconds Redis has not lost anything.
    """

    lanes: list[Lane]
    rung: list[Lane]
    waiting: int
    notes: Mapping[Lane, Note]
    remembers: float


class Lanes:
    """The scheduling over one Redis client. Every verb raises `redis.RedisError` where Redis does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._ring = client.register_script(_RING)
        self._take = client.register_script(_TAKE)
        self._release = client.register_script(_RELEASE)
        self._renew = client.register_script(_RENEW)
        self._note_closed = client.register_script(_NOTE_CLOSED)
        self._why_closed = client.register_script(_WHY_CLOSED)
        self._leave = client.register_script(_LEAVE)
        self._count_waiting = client.register_script(_COUNT_WAITING)

    def ring(self, delays: Mapping[Lane, float], *, anew: bool = True) -> bool:
        """Make lanes servable after their delays in seconds, unless they are servable earlier.

        Unless somebody is to look at their gates `anew`, those that are closed are servable once they open.
        A lane that is being served and is rung without delay is told to its owner. Returns whether a pump is
        there that will see to them; if not, one has to be called.
        """
        keys = [_DUE, _OWNERS, _RUNG, _ATTENDED, _BELL, _CLOSED]
        return not delays or bool(self._ring(keys=keys, args=[_RUNG_KEPT_MS, int(anew), *_flat(delays)]))

    def take(self, owner: str, *, limit: int, lease: float) -> Taken:
        """Hold up to `limit` due lanes, the longest due first, for `lease` seconds.

        Whoever takes is relied upon to take or to listen again soon, or to leave.
        """
        taken, rung, waiting, notes, now, since = self._take(
            keys=[_DUE, _LEASES, _OWNERS, _RUNG, _ATTENDED, _NOTE, _SINCE],
            args=[owner, limit, _ms(lease), _RECLAIMED_AT_ONCE, _ATTENDED_MS, _NO_NOTE, _NO_NOTE_KEPT_MS],
        )
        lanes = _lanes(taken)
        found = {lane: _note(text, now) for lane, text in zip(lanes, notes, strict=True) if text is not None}
        return Taken(lanes, _lanes(rung), int(waiting), found, (now - int(since)) / 1000)

    def listen(self, seconds: float) -> bool:
        """Wait for up to `seconds`, less than the client's time limit, until a lane is rung. Say whether one was."""
        return self._client.blpop([_BELL], timeout=seconds) is not None

    def leave(self) -> int:
        """Rely on me no more. Returns how many lanes wait to be served now: what was rung before I left."""
        return int(self._leave(keys=[_DUE, _ATTENDED]))

    def release(
        self, owner: str, delays: Mapping[Lane, float | None], left: Mapping[Lane, Left] = MappingProxyType({})
    ) -> None:
        """Give lanes back, to be served again after their delays in seconds, or with None when they are rung.

        Whoever takes one next gets what is `left` for him there.
        """
        if delays:
            notes = [part for lane, note in left.items() for part in (lane.hex, note.text, max(1, _ms(note.lasts)))]
            flat = _flat(delays)
            args = [owner, 3 + len(flat), *flat, *notes]
            self._release(keys=[_DUE, _LEASES, _OWNERS, _RUNG, _NOTE], args=args)

    def renew(self, owner: str, held: Iterable[Lane], *, lease: float) -> list[Lane]:
        """Hold lanes for another `lease` seconds. Return those that are not the owner's any more."""
        texts = [lane.hex for lane in held]
        return _lanes(self._renew(keys=[_LEASES, _OWNERS], args=[owner, _ms(lease), *texts])) if texts else []

    def note_closed(self, closed: Mapping[Lane, Closed]) -> None:
        """Note which gates are closed: until they open, new deliveries need not ring, and whoever asks is told why."""
        if closed:
            args = [part for lane, each in closed.items() for part in (lane.hex, max(1, _ms(each.wait)), each.why)]
            self._note_closed(keys=[_CLOSED], args=[_CLOSED_KEPT_MS, *args])

    def why_closed(self, lane: Lane) -> Closed | None:
        """Say why the gate of a lane is closed, or was a moment ago (then `wait` is 0), if that is known."""
        now, closed = self._why_closed(keys=[_CLOSED + lane.hex])
        if closed is None:
            return None
        until, _, why = closed.decode().partition(" ")
        return Closed(why, max(0.0, (int(until) - now) / 1000))

    def count_waiting(self) -> int:
        """Count the lanes that wait to be served now: those that are due, and those whose lease has ended."""
        return int(self._count_waiting(keys=[_DUE, _LEASES, _SINCE]))

    def announce_call(self, seconds: float) -> bool:
        """Note that a message that calls a pump is on its way. False if one was already, less than `seconds` ago."""
        return bool(self._client.set(_CALL, 1, nx=True, px=_ms(seconds)))

    def answer_call(self) -> None:
        """Note that the message has arrived, so that the next one is sent again."""
        self._client.delete(_CALL)

    def note_sweep(self, seconds: float) -> None:
        """Note that a sweep begins, so that nobody else feels obliged to sweep for `seconds`."""
        self._client.set(_SWEPT, 1, px=_ms(seconds))

    def is_sweep_overdue(self, seconds: float) -> bool:
        """Say whether no sweep was noted lately. Asking notes one: exactly one of those who ask is told so."""
        return bool(self._client.set(_SWEPT, 1, nx=True, px=_ms(seconds)))


@lru_cache(maxsize=2)
def connect(timeout: float) -> Lanes:
    """Use the Redis server of the settings, waiting at most `timeout` seconds for each answer."""
    return Lanes(
        redis.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
        )
    )


def _ms(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _flat(delays: Mapping[Lane, float | None]) -> list[str | int]:
    return [part for lane, delay in delays.items() for part in (lane.hex, -1 if delay is None else _ms(delay))]


def _note(text: bytes, now: int) -> Note:
    written_at, _, note = text.decode().partition(" ")
    return Note(None if note == _NO_NOTE else note, max(0.0, (now - int(written_at)) / 1000))


def _lanes(texts: list[bytes]) -> list[Lane]:
    return [uuid.UUID(hex=text.decode()) for text in texts]
