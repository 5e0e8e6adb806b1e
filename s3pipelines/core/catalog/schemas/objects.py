"""What is known of objects beside the index: annotations, tags, and what audits found."""

import pyarrow as pa

from s3pipelines.core.catalog.schemas.table import TIMESTAMP, Column, TableSchema

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
