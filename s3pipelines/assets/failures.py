"""An error of the core as a failed step: its own line, and no traceback of ours before it."""

from collections.abc import Iterator
from contextlib import contextmanager

from dagster import Backoff, Failure, RetryPolicy

from s3pipelines.core.errors import Busy, S3PipelinesError, Throttled, Unreachable

# What may be different in a minute; everything else needs somebody to do something.
_PASSING = (Busy, Throttled, Unreachable)

RETRIES = RetryPolicy(max_retries=2, delay=20, backoff=Backoff.EXPONENTIAL)


@contextmanager
def clear_failures() -> Iterator[None]:
    """Turn a `S3PipelinesError` into a `Failure` with the same line.

    Raises:
        Failure: Is tried again by a retry policy only if the cause may pass by itself.
    """
    try:
        yield
    except S3PipelinesError as error:
        raise Failure(str(error), allow_retries=isinstance(error, _PASSING)) from None
