"""One running statement: its batches, one after the other, and the ways to end it early."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TypeVar

import duckdb
import pyarrow as pa

from s3pipelines.core.errors import InvalidInput, S3PipelinesError
from s3pipelines.core.sql.failures import RAISED_BY_DUCKDB, statement_error

# Small enough that the first rows of a slow statement show soon.
BATCH_ROWS = 16 * 1024
_T = TypeVar("_T")


class Stream:
    """Runs a statement on a cursor of its own, and iterates over what it finds.

    DuckDB works in a thread of this object, so that the caller's thread only waits: a Ctrl-C
    reaches it at once and is passed on. (DuckDB's own check for Ctrl-C covers `execute`, but not
    the reading of batches.)

    Raises:
        InvalidInput: The statement is wrong, or needs too much memory; also while iterating.
        StorageError: The catalog cannot be read; also while iterating.
    """

    def __init__(self, cursor: duckdb.DuckDBPyConnection, memory_limit_mb: int) -> None:
        self._cursor = cursor
        self._memory_limit_mb = memory_limit_mb
        self._reader: pa.RecordBatchReader | None = None
        self._closing = threading.Lock()
        self._closed = False
        self._ended = False
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="s3pipelines-sql")

    def start(self, statement: str) -> pa.Schema:
        """Run the statement up to its first rows (DuckDB gathers a megabyte of them).

        Returns:
            What the batches look like.
        """
        try:
            reader = self._result(
                lambda: self._cursor.execute(statement).to_arrow_reader(BATCH_ROWS)
            )
        except BaseException:
            self.close()
            raise
        self._reader = reader
        return reader.schema

    def __iter__(self) -> "Stream":
        return self

    def __next__(self) -> pa.RecordBatch:
        if self._closed and not self._ended:
            # Never the end of the rows: who reads on would take a part for the whole.
            raise InvalidInput(
                "The session was closed before all rows were read.",
                hint="Read them while it is open.",
            )
        batch = None if self._ended else self._result(self._next_or_none)
        if batch is None:
            self._ended = True
            self.close()
            raise StopIteration
        return batch

    def __del__(self) -> None:
        self.close()

    def interrupt(self) -> None:
        """Make DuckDB give up; whoever waits for a batch gets an `InvalidInput`."""
        with suppress(duckdb.ConnectionException):  # It has ended in this moment.
            self._cursor.interrupt()

    def close(self) -> None:
        """End the statement and free what it holds; harmless when it has ended."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self.interrupt()
        self._worker.shutdown()
        self._cursor.close()

    def _next_or_none(self) -> pa.RecordBatch | None:
        # A StopIteration cannot pass through a future.
        return next(self._reader, None) if self._reader is not None else None

    def _result(self, work: Callable[[], _T]) -> _T:
        future = self._worker.submit(work)
        try:
            return future.result()
        except RAISED_BY_DUCKDB as error:
            raise self._as_ours(error) from error
        except KeyboardInterrupt:
            self.interrupt()
            wait([future])
            raise

    def _as_ours(self, error: Exception) -> S3PipelinesError:
        return statement_error(error, self._memory_limit_mb)
