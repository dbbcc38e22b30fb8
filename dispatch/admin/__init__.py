from dispatch.admin.attempt import AttemptAdmin
from dispatch.admin.bulk_job import BulkJobAdmin
from dispatch.admin.delivery import DeliveryAdmin
from dispatch.admin.endpoint import EndpointPages
from dispatch.admin.event import EventAdmin
from dispatch.admin.notice import MailAdmin, NoticeAdmin

__all__ = ["AttemptAdmin", "BulkJobAdmin", "DeliveryAdmin", "EndpointPages", "EventAdmin", "MailAdmin", "NoticeAdmin"]
