from django.db import models

from subscriptions import endpoint_urls
from subscriptions.payload_format import PayloadFormat


class RequestHead(models.Model):
    """How requests began: where they went, their headers and what their bodies held, one row for all that began alike.

    `headers` is a list of names and values. What is secret is masked, and what differs from request to request
    stands in braces, as `dispatch.heads` writes it.
    """

    id = models.UUIDField(primary_key=True, editable=False, help_text="The beginning of its contents' SHA-256.")
    url = models.CharField("URL", max_length=endpoint_urls.MAX_LENGTH, help_text="Scheme, host and port.")
    headers = models.JSONField(default=list)
    payload_format = models.CharField(max_length=10, choices=[(each.value, each.value) for each in PayloadFormat])

    def __str__(self) -> str:
        return self.url
