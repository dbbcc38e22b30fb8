from dispatch.models.attempt import Attempt
from dispatch.models.bulk_job import BulkAction, BulkJob, BulkStatus
from dispatch.models.delivery import Delivery
from dispatch.models.endpoint_health import EndpointHealth
from dispatch.models.event import Event
from dispatch.models.heartbeat import Heartbeat
from dispatch.models.mail import Mail
from dispatch.models.notice import MailState, Notice
from dispatch.models.request_head import RequestHead
from dispatch.models.rollup import Period, Rollup, RollupState
from dispatch.models.watch import Watch

__all__ = [
    "Attempt",
    "BulkAction",
    "BulkJob",
    "BulkStatus",
    "Delivery",
    "EndpointHealth",
    "Event",
    "Heartbeat",
    "Mail",
    "MailState",
    "Notice",
    "Period",
    "RequestHead",
    "Rollup",
    "RollupState",
    "Watch",
]
