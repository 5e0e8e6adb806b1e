"""What batch operations did."""

import pyarrow as pa

from s3pipelines.core.catalog.schemas.table import TIMESTAMP, Column, TableSchema

OPERATIONS = TableSchema(
    name="operations",
    description="What batch operations did: one row per object of a plan and attempt; the latest "
    "one tells what became of it.",
    identity=("source", "plan_id", "number"),
    latest_by="applied_at",
    version=1,
    columns=(
        Column("source", pa.string(), "Id of the source; the table is partitioned by it."),
        Column("plan_id", pa.string(), "The plan."),
        Column("number", pa.int64(), "Number of the object in the plan, from 0 on."),
        Column("action", pa.string(), "`copy`, `move`, `delete` …, `undo` or `empty-trash`."),
        Column("key", pa.string(), "Full key of the object."),
        Column("target", pa.string(), "Where it went, `s3://bucket/key`.", True),
        Column("etag", pa.string(), "ETag that the plan was made for."),
        Column("size_bytes", pa.int64(), "Its size in bytes."),
        Column("outcome", pa.string(), "`done`, `skipped` or `failed`."),
        Column("error", pa.string(), "Why it was not done, in one word.", True),
        Column("error_detail", pa.string(), "The same in a sentence.", True),
        Column(
            "precondition",
            pa.string(),
            "How it was made sure that the object was as planned: `native` (the server compared "
            "while it acted), `head` or `listing` (it was asked immediately before).",
            True,
        ),
        Column("new_etag", pa.string(), "ETag of what came of it.", True),
        Column("previous", pa.string(), "What an undo needs, as JSON.", True),
        Column("actor", pa.string(), "Who applied the plan."),
        Column("reason", pa.string(), "Why, in their words.", True),
        Column("epoch", pa.int64(), "Which application of the plan it was, from 1 on."),
        Column("applied_at", TIMESTAMP, "When it was done."),
    ),
)
