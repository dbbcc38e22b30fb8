"""Connections that nobody uses, with real sockets and a clock that stands still until it is set."""

import socket
from collections.abc import Iterator

import pytest
from urllib3.connection import HTTPConnection

from dispatch.idle_connections import IdleConnections


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("dispatch.idle_connections.time", clock)
    return clock


@pytest.fixture
def peers() -> Iterator[dict[HTTPConnection, socket.socket]]:
    """Give the receivers' ends of the connections that `connect` made."""
    peers: dict[HTTPConnection, socket.socket] = {}
    yield peers
    for connection, peer in peers.items():
        connection.close()
        peer.close()


def connect(peers: dict[HTTPConnection, socket.socket]) -> HTTPConnection:
    connection = HTTPConnection("receiver.example")
    connection.sock, peers[connection] = socket.socketpair()
    peers[connection].setblocking(False)
    return connection


def open_ones(peers: dict[HTTPConnection, socket.socket]) -> list[HTTPConnection]:
    def is_open(peer: socket.socket) -> bool:
        try:
            return peer.recv(1) != b""
        except BlockingIOError:
            return True

    return [connection for connection, peer in peers.items() if is_open(peer)]


def test_the_connection_that_was_used_last_is_taken_first(
    clock: Clock, peers: dict[HTTPConnection, socket.socket]
) -> None:
    idle = IdleConnections(9, seconds=4)
    first, second, other = (connect(peers) for _ in range(3))
    idle.keep(first, "a")
    idle.keep(second, "a")
    idle.keep(other, "b")

    assert [idle.take("a") for _ in range(3)] == [second, first, None]
    assert [idle.take("b") for _ in range(2)] == [other, None]
    assert idle.take("c") is None


def test_one_that_is_idle_for_too_long_is_not_taken_and_is_closed(
    clock: Clock, peers: dict[HTTPConnection, socket.socket]
) -> None:
    idle = IdleConnections(9, seconds=4)
    old, older, young = (connect(peers) for _ in range(3))
    idle.keep(older, "b")
    idle.keep(old, "a")
    clock.now += 0.1
    idle.keep(young, "a")

    clock.now += 3.9
    idle.close_old()
    assert open_ones(peers) == [old, older, young]

    clock.now += 0.05
    assert (idle.take("b"), idle.take("a"), idle.take("a")) == (None, young, None)
    idle.close_old()
    assert open_ones(peers) == [young]


def test_using_a_connection_begins_its_time_anew(clock: Clock, peers: dict[HTTPConnection, socket.socket]) -> None:
    idle = IdleConnections(9, seconds=4)
    connection = connect(peers)
    for _ in range(3):
        idle.keep(connection, "a")
        clock.now += 4
        idle.close_old()
        assert idle.take("a") is connection


def test_of_too_many_the_one_that_is_idle_longest_is_closed(
    clock: Clock, peers: dict[HTTPConnection, socket.socket]
) -> None:
    idle = IdleConnections(2, seconds=4)
    connections = [connect(peers) for _ in range(4)]
    for connection, host in zip(connections, "abaa", strict=True):
        idle.keep(connection, host)

    assert open_ones(peers) == connections[2:]
    assert (idle.take("b"), idle.take("a"), idle.take("a"), idle.take("a")) == (None, *reversed(connections[2:]), None)


def test_closing_closes_all(clock: Clock, peers: dict[HTTPConnection, socket.socket]) -> None:
    idle = IdleConnections(9, seconds=4)
    for host in "aab":
        idle.keep(connect(peers), host)
    idle.close()

    assert (open_ones(peers), idle.take("a"), idle.take("b")) == ([], None, None)
