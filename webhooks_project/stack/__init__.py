"""Every process of the dispatcher on one machine, started and stopped together: `make up` and `make demo`."""


class StackError(Exception):
    """Something that the person at the terminal can mend. The message says what it is and what to do."""
