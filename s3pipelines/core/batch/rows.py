"""What goes through a batch: the rows of a plan, and what became of each."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

import pyarrow as pa

from s3pipelines.core.catalog.schemas import TIMESTAMP

Result = Literal["done", "skipped", "failed"]
# How it was made sure that the object still was what the plan says: the server compared itself
# while it acted, or was asked about the object, or listed it, immediately before.
Precondition = Literal["native", "head", "listing"]

# One row of a plan. `verdict` says why the row is not to be carried out at all; `previous` is
# what an undo needs (JSON); `target_etag` is what the target holds and is to be replaced.
MANIFEST = pa.schema(
    [
        pa.field("number", pa.int64(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("size_bytes", pa.int64(), nullable=False),
        pa.field("etag", pa.string(), nullable=False),
        pa.field("version_id", pa.string()),
        pa.field("last_modified", TIMESTAMP),
        pa.field("storage_class", pa.string()),
        pa.field("target", pa.string()),
        pa.field("target_etag", pa.string()),
        pa.field("verdict", pa.string()),
        pa.field("previous", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Row:
    """One object of a plan; see `MANIFEST`."""

    number: int
    key: str
    size_bytes: int
    etag: str
    version_id: str | None = None
    last_modified: datetime | None = None
    storage_class: str | None = None
    target: str | None = None
    target_etag: str | None = None
    verdict: str | None = None
    previous: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row.

    Attributes:
        row: The row.
        result: What became of it; each row ends with one.
        error: Why it was not done, in one word.
        detail: The same in a sentence.
        precondition: How the plan's ETag was compared; None where nothing was asked.
        etag: ETag that the changed object, or the target, has now.
        previous: What an undo needs: what was there before, and what was made.
        derived: What the table `derivatives` is told, where an action makes something.
    """

    row: Row
    result: Result
    error: str | None = None
    detail: str | None = None
    precondition: Precondition | None = None
    etag: str | None = None
    previous: dict[str, Any] = field(default_factory=dict)
    derived: dict[str, Any] | None = None


def rows_of(batch: pa.RecordBatch) -> list[Row]:
    """The rows of a batch of schema `MANIFEST`."""
    columns = [batch.column(name).to_pylist() for name in MANIFEST.names]
    return [Row(*values) for values in zip(*columns, strict=True)]
