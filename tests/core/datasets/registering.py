"""Registering files, and what is there afterwards."""

from pathlib import Path

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import CHANGES, OBJECTS, TAGS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.datasets.registered import Registration
from s3pipelines.core.datasets.registering import Wanted, register
from tests.core.datasets.conftest import MIB

PART = 5 * MIB


def register_files(catalog: Catalog, *paths: str | Path, **more) -> Registration:
    return register(catalog, Wanted("maps", paths, part_bytes=PART, **more))


def rows_of(catalog: Catalog, query: str) -> list[tuple]:
    with connect(catalog) as connection:
        create_source_views(connection, catalog, "maps", OBJECTS, TAGS, CHANGES)
        return connection.execute(query).fetchall()


def keys_of(s3, bucket: str) -> list[str]:
    return [row["Key"] for row in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def checksum_of(s3, bucket: str, key: str) -> str:
    return s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")["ChecksumSHA256"]
