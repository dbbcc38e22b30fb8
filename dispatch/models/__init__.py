from dispatch.models.attempt import Attempt
from dispatch.models.bulk_job import BulkAction, BulkJob, BulkStatus
from dispatch.models.delivery import Delivery
from dispatch.models.endpoint_health import EndpointHealth
from dispatch.models.event import Event
from dispatch.models.heartbeat import Heartbeat
from dispatch.models.request_head import RequestHead
from dispatch.models.rollup import Period, Rollup, RollupState

__all__ = [
    "Attempt",
    "BulkAction",
    "BulkJob",
    "BulkStatus",
    "Delivery",
    "EndpointHealth",
    "Event",
    "Heartbeat",
    "Period",
    "RequestHead",
    "Rollup",
    "RollupState",
]
