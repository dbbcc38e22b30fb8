from typing import Any

from django.db import models


class WatchManager(models.Manager["Watch"]):
    def hold(self, name: str) -> "Watch":
        """Keep everybody else from doing what has this name until the transaction ends, and return what they noted."""
        self.get_or_create(name=name)
        return self.select_for_update().get(name=name)


class Watch(models.Model):
    """What somebody who looks again and again noted the last time, and his turn to look."""

    name = models.CharField(max_length=40, primary_key=True)
    noted = models.JSONField(default=dict)

    objects = WatchManager()

    def __str__(self) -> str:
        return self.name

    def note(self, **noted: Any) -> None:
        """Note this for the next time."""
        self.noted = noted
        self.save(update_fields=["noted"])
