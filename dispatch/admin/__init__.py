from dispatch.admin.attempt import AttemptAdmin
from dispatch.admin.delivery import DeliveryAdmin
from dispatch.admin.endpoint import EndpointPages
from dispatch.admin.event import EventAdmin
from dispatch.admin.notice import MailAdmin, NoticeAdmin

__all__ = ["AttemptAdmin", "DeliveryAdmin", "EndpointPages", "EventAdmin", "MailAdmin", "NoticeAdmin"]
