from django.db import models


class EndpointState(models.TextChoices):
    ACTIVE = "active", "Active"
    UNVERIFIED = "unverified", "Unverified: deliveries wait"
    PAUSED = "paused", "Paused: deliveries wait"
    DISABLED = "disabled", "Disabled: deliveries are cancelled"
