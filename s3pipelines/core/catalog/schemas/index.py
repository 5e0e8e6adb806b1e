"""The index: what S3 has, what changed, and what could not be understood."""

import pyarrow as pa

from s3pipelines.core.catalog.schemas.table import TIMESTAMP, Column, TableSchema

OBJECTS = TableSchema(
    name="objects",
    description="The object index: one row per object of a source, as S3 has it now.",
    identity=("source", "key"),
    version=1,
    columns=(
        Column("source", pa.string(), "Id of the source; the table is partitioned by it."),
        Column("bucket", pa.string(), "Bucket of the object."),
        Column("key", pa.string(), "Full key of the object, exactly as S3 has it."),
        Column("size_bytes", pa.int64(), "Size in bytes."),
        Column("etag", pa.string(), "ETag without its quotes."),
        Column(
            "version_id",
            pa.string(),
            "Version id, where the source asks for it (`--versions`): `null` where the object is "
            "older than the versions of its bucket; NULL where the bucket never kept any, or the "
            "id is not known (yet).",
            True,
        ),
        Column("last_modified", TIMESTAMP, "When S3 says that it was written (whole seconds)."),
        Column("storage_class", pa.string(), "Storage class, `STANDARD` where S3 says none."),
        Column(
            "extension", pa.string(), "Lower-case end of the name after its last dot, or empty."
        ),
        Column("indexed_at", TIMESTAMP, "When the index took this state of the object in."),
    ),
)

OBJECTS_TAIL = TableSchema(
    name="objects_tail",
    description="Changes of the index that are not merged into `objects` yet, because that would "
    "write much of a large source anew; the view `objects` has them.",
    identity=("source", "key"),
    latest_by="position",
    version=1,
    columns=(
        *OBJECTS.columns,
        Column("gone", pa.bool_(), "The object was deleted; the row in `objects` no longer holds."),
        Column("position", pa.int64(), "Version of the ledger up to which it was applied."),
    ),
)

CHANGES = TableSchema(
    name="changes",
    description="The ledger: one row per observation of an object, what an event or a listing "
    "hinted at, and what S3 said when it was asked. It tells why a file was, or was not, taken in.",
    identity=("source", "id"),
    latest_by="observed_at",
    version=1,
    change_feed=True,
    columns=(
        Column("source", pa.string(), "Id of the source; the table is partitioned by it."),
        Column("id", pa.string(), "Id of the observation; an event that comes twice has one."),
        Column("key", pa.string(), "Full key of the object."),
        Column(
            "kind",
            pa.string(),
            "`hinted` (S3 is asked next), `created`, `overwritten`, `transitioned` (its storage "
            "class), `restored`, `deleted`, `unchanged` (the index has it so), `waiting` (it has "
            "not settled), `excluded` (not of the source), or `failed` (S3 gave no answer).",
        ),
        Column("etag", pa.string(), "ETag that was seen; none of what is gone.", True),
        Column("version_id", pa.string(), "Version id that was seen, as far as told.", True),
        Column("sequencer", pa.string(), "S3's sequencer of the event.", True),
        Column("size_bytes", pa.int64(), "Size that was seen.", True),
        Column("last_modified", TIMESTAMP, "When S3 says that it was written.", True),
        Column("storage_class", pa.string(), "Storage class that was seen.", True),
        Column("event", pa.string(), "S3's name of the event.", True),
        Column("event_time", TIMESTAMP, "When the event happened, by S3's clock.", True),
        Column("observed_at", TIMESTAMP, "When it was observed, by this project's clock."),
        Column("hinted_at", TIMESTAMP, "When the hint was observed that this answers.", True),
        Column("observed_by", pa.string(), "`event`, `listing`, `register` or `batch`."),
        Column("batch_id", pa.string(), "The batch in which S3 was asked.", True),
        Column(
            "ledger_version",
            pa.int64(),
            "Version of this table before S3 was asked; hints up to it are answered.",
            True,
        ),
        Column("due_at", TIMESTAMP, "When S3 is to be asked again.", True),
        Column("note", pa.string(), "Why, in a sentence.", True),
    ),
)

REJECTED = TableSchema(
    name="rejected",
    description="Messages of the upload queue that could not be understood, whole or in part.",
    identity=("id",),
    latest_by="received_at",
    version=1,
    by_source=False,
    columns=(
        Column("id", pa.string(), "Id of the message."),
        Column("mailbox", pa.string(), "The queue or inbox that it came from."),
        Column("reason", pa.string(), "What cannot be understood."),
        Column("text", pa.string(), "The message as it came."),
        Column("received_at", TIMESTAMP, "When it was received last."),
    ),
)
