"""What is known of each object: size, tags, checksums, and what it says of itself as an image.

The catalog tells the most. Tags and checksums are no part of a listing, so that S3 is asked for
them, unless the caller says otherwise: two requests for each object.
"""

import asyncio
from collections.abc import Generator, Iterator
from typing import Any

import duckdb
import pyarrow as pa

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import AUDITS, DERIVATIVES, IMAGES, TAGS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.datasets.fingerprints import SHA256_METADATA
from s3pipelines.core.datasets.members import select_members
from s3pipelines.core.datasets.registered import word_of
from s3pipelines.core.datasets.states import source_state
from s3pipelines.core.datasets.workers import OF_ALL_OBJECTS
from s3pipelines.core.errors import AccessDenied, StorageError
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.storage.http.client import BucketClient
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import bucket_place
from s3pipelines.core.storage.verbs.head import head
from s3pipelines.core.storage.verbs.tags import get_tags

Description = dict[str, Any]
_BATCH_ROWS = 1000
_REQUESTS_AT_A_TIME = 64
_IMAGE = ("format", "width_px", "height_px", "bands", "bit_depth", "pages", "error")


def describe(
    catalog: Catalog, name: str, selection: Selection | None = None, *, ask: bool = True
) -> Generator[Description, None, None]:
    """Describe the selected objects of a source, or of a version of it, in the order of their keys.

    Args:
        catalog: Where the tables are.
        name: The source, or `ID@VERSION`.
        selection: Which of its objects.
        ask: Also ask S3, for tags and checksums, and whether the object still is as described.

    Yields:
        `key`, `name` (below the prefix), `size_bytes`, `etag`, `version_id`, `last_modified`,
        `storage_class`; `tags` by name; `checksums` by algorithm, as S3 has them (base64);
        `sha256` in hexadecimal, as an audit or whoever registered it found it; `image` (None if no
        header was read) and `derivatives`; `state`: `as_described`, `changed`, `gone`, `failed` or
        `not_asked`, and `detail`.

    Raises:
        NotFound: There is no such source, or version of it.
        InvalidInput: The selection is wrong.
        StorageError: The bucket, or the catalog, cannot be used at all.
    """
    state = source_state(catalog, name)
    source = state.source
    with (
        select_members(catalog, state, selection or Selection()) as members,
        connect(catalog) as connection,
    ):
        create_source_views(connection, catalog, source.id, IMAGES, DERIVATIVES, TAGS, AUDITS)
        batches = (
            _known(connection, batch, len(source.prefix)) for batch in members.batches(_BATCH_ROWS)
        )
        if not ask:
            for batch in batches:
                yield from batch
            return
        place = bucket_place(source.access(catalog.access), source.bucket)
        with LoopThread() as loop:
            client = BucketClient(place, most_in_flight=_REQUESTS_AT_A_TIME)
            loop.run(client.__aenter__())
            try:
                yield from _asked(loop, client, batches)
            finally:
                loop.run(client.__aexit__(None, None, None))


def _asked(
    loop: LoopThread, client: BucketClient, batches: Iterator[list[Description]]
) -> Iterator[Description]:
    async def ask_all(rows: list[Description]) -> None:
        await asyncio.gather(*(_ask(client, row) for row in rows))

    for rows in batches:
        loop.run(ask_all(rows))
        yield from rows


async def _ask(client: BucketClient, row: Description) -> None:
    """Add what S3 says of an object to what is known of it."""
    try:
        found = await head(client, row["key"])
        if found is None:
            row.update(state="gone", detail="S3 has no such object any more.")
            return
        if found.etag != row["etag"]:
            detail = "S3 holds another object of this key by now."
            row.update(state="changed", detail=detail)
            return
        row.update(state="as_described", checksums=dict(found.checksums))
        row["version_id"] = row["version_id"] or found.version_id
        row["sha256"] = row["sha256"] or found.described.metadata.get(SHA256_METADATA)
        if found.tag_count != 0:
            row["tags"] = await get_tags(client, row["key"])
        else:
            row["tags"] = {}
    except OF_ALL_OBJECTS:
        raise
    except AccessDenied as error:
        # Whoever may read an object need not be allowed to read its tags.
        row.update(detail=str(error))
        if row["state"] == "not_asked":
            row.update(state="failed")
    except StorageError as error:
        row.update(state="failed", detail=f"{word_of(error)}: {error}")


def _known(
    connection: duckdb.DuckDBPyConnection, batch: pa.RecordBatch, head_length: int
) -> list[Description]:
    """What the catalog knows of some objects."""
    keys = batch.column("key")
    given = {"first_key": keys[0].as_py(), "last_key": keys[-1].as_py()}
    connection.register("members", pa.Table.from_batches([batch]))
    rows = connection.execute(_QUERY, given).to_arrow_table().to_pylist()
    connection.unregister("members")
    return [_described(row, head_length) for row in rows]


def _described(row: Description, head_length: int) -> Description:
    image = {name: row.pop(f"image_{name}") for name in _IMAGE}
    row["tags"] = dict(row["tags"] or ())
    row["derivatives"] = row["derivatives"] or []
    return {
        "key": row["key"],
        "name": row["key"][head_length:],
        **row,
        "checksums": {},
        "image": image if row.pop("has_image") else None,
        "state": "not_asked",
        "detail": None,
    }


def _query() -> str:
    # The range lets files and groups of rows be skipped that hold none of these keys.
    within = "key BETWEEN $first_key AND $last_key"
    image = ", ".join(f"images.{name} AS image_{name}" for name in _IMAGE)
    return f"""
        SELECT members.key, members.size_bytes, members.etag, members.version_id,
            members.last_modified, members.storage_class, audits.known_sha256 AS sha256,
            tagged.tags, derived.derivatives, images.key IS NOT NULL AS has_image, {image}
        FROM members
        LEFT JOIN (FROM images WHERE {within}) AS images USING (key, etag)
        LEFT JOIN (
            SELECT key, etag, map(list(name ORDER BY name), list(value ORDER BY name)) AS tags
            FROM tags WHERE {within} AND value IS NOT NULL GROUP BY ALL
        ) AS tagged USING (key, etag)
        LEFT JOIN (
            SELECT key, etag, list({{kind: kind, status: status, uri: uri, error: error}}
                ORDER BY kind) AS derivatives
            FROM derivatives WHERE {within} GROUP BY ALL
        ) AS derived USING (key, etag)
        LEFT JOIN (FROM audits WHERE {within}) AS audits USING (key, etag)
        ORDER BY members.key
    """


_QUERY = _query()
