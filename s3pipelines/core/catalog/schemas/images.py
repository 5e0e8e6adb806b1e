"""What is read from images, and made of them."""

import pyarrow as pa

from s3pipelines.core.catalog.schemas.table import TIMESTAMP, Column, TableSchema

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
