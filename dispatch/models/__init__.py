from dispatch.models.attempt import Attempt
from dispatch.models.delivery import Delivery
from dispatch.models.event import Event

__all__ = ["Attempt", "Delivery", "Event"]
