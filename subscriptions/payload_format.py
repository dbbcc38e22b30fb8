"""What the body of a request holds of its event."""

import enum


class PayloadFormat(enum.StrEnum):
    """`data` sends the data as it was published, `full` wraps it, `thin` says only what happened."""

    DATA = "data"
    FULL = "full"
    THIN = "thin"
