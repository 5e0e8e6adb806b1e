"""Reports of S3 Inventory as S3 writes them."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any
from urllib.parse import quote_plus

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import orc

FIELDS = {
    "bucket": ("Bucket", pa.string()),
    "key": ("Key", pa.string()),
    "version_id": ("VersionId", pa.string()),
    "is_latest": ("IsLatest", pa.bool_()),
    "is_delete_marker": ("IsDeleteMarker", pa.bool_()),
    "size": ("Size", pa.int64()),
    "last_modified_date": ("LastModifiedDate", pa.timestamp("ms", tz="UTC")),
    "e_tag": ("ETag", pa.string()),
    "storage_class": ("StorageClass", pa.string()),
}
_ENDINGS = {"CSV": "csv.gz", "ORC": "orc", "Parquet": "parquet"}


def rows_of_bucket(s3: Any, bucket: str) -> list[dict[str, Any]]:
    """What a report says of the bucket as it is."""
    return [
        {
            "bucket": bucket,
            "key": entry["Key"],
            "size": entry["Size"],
            "last_modified_date": entry["LastModified"],
            "e_tag": entry["ETag"].strip('"'),
            "storage_class": "",
        }
        for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    ]


@dataclass
class ReportOf:
    """A report of a bucket, to be put into another one.

    Attributes:
        files: How many files it comes in.
        without: Columns that it lacks.
    """

    rows: Sequence[dict[str, Any]]
    file_format: str = "Parquet"
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    files: int = 2
    without: tuple[str, ...] = ()

    @cached_property
    def columns(self) -> list[str]:
        known = set().union(*self.rows) if self.rows else set(FIELDS)
        return [name for name in FIELDS if name in known and name not in self.without]

    def put(self, s3: Any, bucket: str, source_bucket: str, folder: str = "inv/2026/") -> str:
        """Write it, and return the address of its manifest."""
        listed = []
        for number in range(self.files):
            body = self.encoded(self.rows[number :: self.files])
            key = f"inv/data/{number}.{_ENDINGS[self.file_format]}"
            s3.put_object(Bucket=bucket, Key=key, Body=body)
            listed.append({"key": key, "size": len(body), "MD5checksum": md5(body)})
        manifest = {
            "sourceBucket": source_bucket,
            "destinationBucket": f"arn:aws:s3:::{bucket}",
            "version": "2016-11-30",
            "creationTimestamp": str(int(self.created_at.timestamp() * 1000)),
            "fileFormat": self.file_format,
            "fileSchema": ", ".join(FIELDS[name][0] for name in self.columns),
            "files": listed,
        }
        body = json.dumps(manifest).encode()
        s3.put_object(Bucket=bucket, Key=f"{folder}manifest.json", Body=body)
        s3.put_object(Bucket=bucket, Key=f"{folder}manifest.checksum", Body=md5(body).encode())
        return f"s3://{bucket}/{folder}manifest.json"

    def encoded(self, rows: Sequence[dict[str, Any]]) -> bytes:
        """One file of these rows."""
        if self.file_format == "CSV":
            return self._csv(rows)
        schema = pa.schema([pa.field(name, FIELDS[name][1]) for name in self.columns])
        table = pa.Table.from_pylist(
            [{name: row.get(name) for name in self.columns} for row in rows], schema
        )
        sink = io.BytesIO()
        if self.file_format == "Parquet":
            pq.write_table(table, sink)
        else:
            at = self.columns.index("last_modified_date")
            bare = table.column(at).cast(pa.timestamp("ns"))
            orc.write_table(table.set_column(at, "last_modified_date", bare), sink)
        return sink.getvalue()

    def _csv(self, rows: Sequence[dict[str, Any]]) -> bytes:
        text = io.StringIO()
        writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
        for row in rows:
            values = {name: row.get(name) for name in self.columns}
            values["key"] = quote_plus(row["key"], safe="/")
            writer.writerow([_as_csv(value) for value in values.values()])
        return gzip.compress(text.getvalue().encode())


def _as_csv(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else value


def md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()


def ago(**duration: float) -> datetime:
    """A time in the past."""
    return datetime.now(UTC) - timedelta(**duration)
