"""What waits, taken in turns: one of each lane, then the next of each. Pure."""

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Turns(Generic[Item]):
    """Items that wait, each in a lane. A lane with many keeps nobody in another lane waiting."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[Hashable, deque[Item]] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def add(self, lane: Hashable, item: Item) -> None:
        """Put `item` behind the others of its lane."""
        waiting = self._lanes.get(lane)
        if waiting is None:
            waiting = self._lanes[lane] = deque()
        waiting.append(item)

    def take(self) -> Item | None:
        """Take the first item of the lane whose turn it is, or None if nothing waits."""
        if not self._lanes:
            return None
        lane, waiting = next(iter(self._lanes.items()))
        item = waiting.popleft()
        if waiting:
            self._lanes.move_to_end(lane)
        else:
            del self._lanes[lane]
        return item

    def remove(self, is_wanted: Callable[[Item], bool]) -> list[Item]:
        """Take all items for which `is_wanted` is true, wherever they wait."""
        removed = []
        for lane, waiting in list(self._lanes.items()):
            wanted = [item for item in waiting if is_wanted(item)]
            removed += wanted
            if len(wanted) == len(waiting):
                del self._lanes[lane]
            elif wanted:
                self._lanes[lane] = deque(item for item in waiting if not is_wanted(item))
        return removed
