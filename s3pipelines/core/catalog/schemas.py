"""The tables: their columns, what identifies a row, and how they may grow.

Rules that every change here follows:

- A column is only ever *added*, it is nullable, and `version` grows by one; writers of the old
  version fail to append, and are restarted.
- `identity` names the columns of which there is at most one row; in a table that is only appended
  to, one *latest* row, and the rows before it are the attempts that led there.
"""

from dataclasses import dataclass

import pyarrow as pa

TIMESTAMP = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True)
class Column:
    """One column: its name, its Arrow type, and what it holds."""

    name: str
    type: pa.DataType
    description: str
    nullable: bool = False


@dataclass(frozen=True)
class TableSchema:
    """One Delta table of the catalog.

    Attributes:
        latest_by: What tells which row of an identity holds, in a table that is only appended to;
            None where there is one row anyway.
        by_source: The table is partitioned by its column `source`.
        change_feed: The commit that brought a row can be asked for (Delta's change data feed).
        user_columns: The table has columns beside these, which users bring.
        shown_if: Of the rows that hold, the view shows those for which this SQL condition is true:
            the others say that there is nothing any more.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    identity: tuple[str, ...]
    version: int
    latest_by: str | None = None
    by_source: bool = True
    change_feed: bool = False
    user_columns: bool = False
    shown_if: str | None = None

    @property
    def arrow(self) -> pa.Schema:
        """The Arrow schema, in the order of the columns."""
        return pa.schema([pa.field(c.name, c.type, nullable=c.nullable) for c in self.columns])

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""
        return [column.name for column in self.columns]


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

IMAGES = TableSchema(
    name="images",
    description="What images say of themselves: one row per object, state and attempt.",
    identity=("source", "key", "etag"),
    latest_by="read_at",
    version=1,
    columns=(
        Column("source", pa.string(), "Id of the source; the table is partitioned by it."),
        Column("key", pa.string(), "Full key of the object."),
        Column("etag", pa.string(), "ETag of the state that was read."),
        Column("format", pa.string(), "Short name of the format.", True),
        Column("width_px", pa.int64(), "Width as stored, before the orientation applies.", True),
        Column("height_px", pa.int64(), "Height as stored.", True),
        Column("bands", pa.int64(), "Channels, alpha included.", True),
        Column("bit_depth", pa.int64(), "Bits of one channel of one pixel.", True),
        Column("interpretation", pa.string(), "What the bands mean, in libvips' words.", True),
        Column("pages", pa.int64(), "Pages, frames or sub-images.", True),
        Column("orientation", pa.int64(), "EXIF orientation, 1 (upright) to 8.", True),
        Column("has_icc", pa.bool_(), "There is an embedded colour profile.", True),
        Column("has_xmp", pa.bool_(), "There is an XMP packet.", True),
        Column("exif", pa.string(), "Readable EXIF tags as a flat JSON object.", True),
        Column("error", pa.string(), "Why there is no header, in one word.", True),
        Column("error_detail", pa.string(), "The same in a sentence.", True),
        Column("read_at", TIMESTAMP, "When it was read."),
        Column("reader_version", pa.string(), "The libraries that read it."),
    ),
)

DERIVATIVES = TableSchema(
    name="derivatives",
    description="Files made from objects: one row per object, state, parameters and attempt.",
    identity=("source", "key", "etag", "kind", "params_digest"),
    latest_by="made_at",
    version=1,
    columns=(
        Column("source", pa.string(), "Id of the source; the table is partitioned by it."),
        Column("key", pa.string(), "Full key of the object that it was made from."),
        Column("etag", pa.string(), "ETag of the state that it was made from."),
        Column("kind", pa.string(), "`thumbnail`, `pyramid` or `convert`."),
        Column(
            "params_digest",
            pa.string(),
            "Names the parameters that it was made with, with the cap of a pyramid "
            "(`DIGEST-843x560`), and the page from the second on (`DIGEST/2`). Of a conversion, it "
            "names the recipe and the target.",
        ),
        Column("uri", pa.string(), "Where it lies.", True),
        Column("size_bytes", pa.int64(), "Its size in bytes.", True),
        Column("width_px", pa.int64(), "Its width.", True),
        Column("height_px", pa.int64(), "Its height.", True),
        Column("sha256", pa.string(), "SHA-256 of its bytes.", True),
        Column(
            "status",
            pa.string(),
            "`ok`, `failed` (tried again), `quarantined` (the file is at fault) or `skipped` (it "
            "lies in an archive, or what was made of it was taken back).",
        ),
        Column("error", pa.string(), "Why there is none, in one word.", True),
        Column("error_detail", pa.string(), "The same in a sentence.", True),
        Column("duration_s", pa.float64(), "From the first request to the last, in seconds."),
        Column("made_at", TIMESTAMP, "When it was made, or tried."),
        Column("reader_version", pa.string(), "The libraries that read the object."),
    ),
)

ANNOTATIONS = TableSchema(
    name="annotations",
    description="What people know of the objects: one row per key, from the file that was given to "
    "`s3pipelines sources annotate` last.",
    identity=("source", "key"),
    version=1,
    user_columns=True,
    columns=(
        Column("source", pa.string(), "Id of the source; the table is partitioned by it."),
        Column("key", pa.string(), "Full key; there may be no such object (yet)."),
        Column("annotated_at", TIMESTAMP, "When the file was taken in."),
    ),
)

TAGS = TableSchema(
    name="tags",
    description="Object tags, as far as this project set or read them: one row per object, state "
    "and name. Listings carry none.",
    identity=("source", "key", "etag", "name"),
    latest_by="tagged_at",
    shown_if="value IS NOT NULL",
    version=1,
    columns=(
        Column("source", pa.string(), "Id of the source; the table is partitioned by it."),
        Column("key", pa.string(), "Full key of the object."),
        Column("etag", pa.string(), "ETag of the state that has the tag."),
        Column(
            "name",
            pa.string(),
            "Name of the tag; empty in the row that says that all tags of the object were read.",
        ),
        Column(
            "value",
            pa.string(),
            "Its value; NULL where the tag was taken away, which the view does not show.",
            True,
        ),
        Column("tagged_at", TIMESTAMP, "When it was set or read."),
    ),
)

RERUNS = TableSchema(
    name="reruns",
    description="What somebody asked to have made again: one row per object, kind and request.",
    identity=("source", "key", "kind"),
    latest_by="asked_at",
    version=1,
    columns=(
        Column("source", pa.string(), "Id of the source; the table is partitioned by it."),
        Column("key", pa.string(), "Full key of the object."),
        Column("kind", pa.string(), "`header`, `thumbnail` or `pyramid`."),
        Column("asked_at", TIMESTAMP, "When; what was made before is made again."),
        Column("asked_by", pa.string(), "Who."),
    ),
)

AUDITS = TableSchema(
    name="audits",
    description="What reading objects again gave: one row per object, state and audit, and one for "
    "each upload of `data register`; the latest one holds.",
    identity=("source", "key", "etag"),
    latest_by="audited_at",
    version=1,
    columns=(
        Column("source", pa.string(), "Id of the source; the table is partitioned by it."),
        Column("key", pa.string(), "Full key of the object."),
        Column("etag", pa.string(), "ETag of the state that was to be read."),
        Column("size_bytes", pa.int64(), "Size of what was read; NULL if nothing was.", True),
        Column("sha256", pa.string(), "SHA-256 of what was read, in hexadecimal.", True),
        Column(
            "known_sha256",
            pa.string(),
            "SHA-256 that the object has to have: the first one that was noted of this state.",
            True,
        ),
        Column(
            "outcome",
            pa.string(),
            "`ok`; `registered` (proven as it was uploaded); `unknown` (there was nothing to "
            "compare with but the size; the SHA-256 is noted); `mismatch`; `missing`; `changed` "
            "(the ETag is another now); `archived`, `denied`, `failed` (it could not be read).",
        ),
        Column(
            "proofs",
            pa.string(),
            "What was compared: `size`, `etag`, `checksum` (of S3), `audit` (an earlier SHA-256), "
            "`noted_sha256` (metadata); of a mismatch, what disagreed.",
            True,
        ),
        Column("detail", pa.string(), "Why, in a sentence.", True),
        Column("audited_at", TIMESTAMP, "When it was read, or tried."),
    ),
)

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

TABLES: tuple[TableSchema, ...] = (
    OBJECTS,
    OBJECTS_TAIL,
    CHANGES,
    REJECTED,
    IMAGES,
    DERIVATIVES,
    RERUNS,
    ANNOTATIONS,
    TAGS,
    AUDITS,
    OPERATIONS,
)
