"""The plan that empties the trash of a source: what lies there, and what may go.

A copy goes only if the table `operations` says that what it was kept for is done. Where there is
no such row, a process was killed or an object failed: the copy may be all that is left of it, and
the next application of its plan needs it.
"""

import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from s3pipelines.core.batch.actions.empty_trash import EmptyTrashAction, EmptyTrashParams
from s3pipelines.core.batch.manifests import rows_per_shard, write_manifest
from s3pipelines.core.batch.plans import Flag, Plan, Summary, new_plan_id, write_plan
from s3pipelines.core.batch.prices import price
from s3pipelines.core.batch.selecting import DRAWN, frugal
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OPERATIONS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.preview.wording import counted
from s3pipelines.core.sources.registry import get_source, whoami
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.listing.pages import LISTED
from s3pipelines.core.storage.listing.serial import list_pages
from s3pipelines.core.storage.locations import S3Location

_BATCH_ROWS = 10_000
_EXAMPLES = 3
_SAMPLES = 8
_PLAN = r"^(\d{8}-\d{6}-[0-9a-f]{6})/"


def make_emptying_plan(
    catalog: Catalog,
    source_id: str,
    older_than: timedelta,
    *,
    reason: str = "",
    by: str | None = None,
) -> Plan | None:
    """Make the plan that deletes for good what has lain in the trash for some time.

    Args:
        catalog: Whose trash.
        source_id: Of which source; it may be read-only.
        older_than: What was kept later than so long ago stays. By the clock of the server.
        reason: Why.
        by: Who makes it; whoever runs this process by default.

    Returns:
        The plan; None if nothing is that old.

    Raises:
        NotFound: There is no such source.
        InvalidInput: The trash is no place on S3; or what is that old cannot go yet.
        StorageError: The trash or the catalog cannot be read.
    """
    source = get_source(catalog, source_id)
    trash = _trash_of(catalog, source)
    action = EmptyTrashAction(EmptyTrashParams(older_than_s=int(older_than.total_seconds())))
    with (
        tempfile.TemporaryDirectory(prefix="s3pipelines-trash-") as folder,
        connect(frugal(catalog)) as connection,
    ):
        listed = Path(folder, "listed.parquet")
        if not _list_old(catalog, trash, older_than, listed):
            return None
        create_source_views(connection, catalog, source.id, OPERATIONS)
        _find_rows(connection, trash, listed)
        summary = _summed_up(connection, action)
        plan_id, per_shard = new_plan_id(), rows_per_shard(summary.objects)
        shards = write_manifest(catalog, plan_id, _batches(connection), per_shard)
    plan = Plan(
        id=plan_id,
        source_id=source.id,
        generation=source.generation,
        action=action.name,
        params=action.params.model_dump(mode="json"),
        selection=_told(older_than),
        target=trash.uri,
        created_at=datetime.now(UTC),
        created_by=by or whoami(),
        reason=reason,
        shards=tuple(shards),
        summary=summary,
    )
    write_plan(catalog, plan)
    return plan


def _trash_of(catalog: Catalog, source: Source) -> S3Location:
    location = catalog.trash_location(source.id)
    if isinstance(location, S3Location):
        return location
    raise InvalidInput(
        f"The trash of this project is the folder {location.uri}, where no object can be.",
        hint="Set S3PIPELINES_TRASH to the s3://BUCKET/PREFIX that has the trash.",
    )


def _list_old(catalog: Catalog, trash: S3Location, older_than: timedelta, path: Path) -> int:
    """Write what is old enough into a file; how many there are."""
    rows = 0
    with pq.ParquetWriter(path, LISTED, compression="lz4") as writer:
        for page in list_pages(catalog.access, trash):
            # The server's own clock is the only one that its times can be compared with.
            limit = pa.scalar(page.server_time - older_than, LISTED.field("last_modified").type)
            kept_at = page.objects.column("last_modified")
            old = page.objects.filter(pc.call_function("less_equal", [kept_at, limit]))
            writer.write_batch(old)
            rows += old.num_rows
    return rows


def _find_rows(connection: duckdb.DuckDBPyConnection, trash: S3Location, listed: Path) -> None:
    """Make the table `rows`: each copy, what it was, its plan, and whether it may go."""
    below = f"substr(listed.key, {len(trash.prefix) + 1})"
    connection.execute(f"""
        CREATE TEMP TABLE rows AS
        WITH kept AS (
            SELECT DISTINCT coalesce(
                json_extract_string(previous, '$.trash'),
                json_extract_string(previous, '$.replaced[1]')
            ) AS copy
            FROM {OPERATIONS.name}
            WHERE outcome = 'done' AND previous IS NOT NULL
        )
        SELECT regexp_replace({below}, {sql_text(_PLAN)}, '') AS key,
            regexp_extract({below}, {sql_text(_PLAN)}, 1) AS plan_id,
            listed.size_bytes, listed.etag, NULL::VARCHAR AS version_id,
            listed.last_modified, listed.storage_class, listed.key AS target,
            NULL::VARCHAR AS target_etag,
            CASE WHEN kept.copy IS NULL THEN 'unsettled' END AS verdict
        FROM read_parquet({sql_text(str(listed))}) AS listed
        LEFT JOIN kept ON kept.copy = listed.key
    """)


def _summed_up(connection: duckdb.DuckDBPyConnection, action: EmptyTrashAction) -> Summary:
    objects, to_do, size_bytes = connection.execute(
        "SELECT count(*), count(*) FILTER (verdict IS NULL), "
        "coalesce(sum(size_bytes) FILTER (verdict IS NULL), 0)::BIGINT FROM rows"
    ).fetchall()[0]
    if not to_do:
        raise InvalidInput(
            f"The trash holds {counted(objects, 'object')} of that age, and none may go: no "
            "outcome says yet that their plans are done with them.",
            hint="Apply these plans again; the folders in the trash are named after them.",
        )
    samples = connection.execute(
        f"SELECT key, target FROM rows WHERE verdict IS NULL ORDER BY target LIMIT {_SAMPLES}"
    ).fetchall()
    requests, usd = price(action, to_do)
    return Summary(
        objects=objects,
        to_do=to_do,
        size_bytes=size_bytes,
        requests=requests,
        usd=usd,
        flags=tuple(_flags(connection)),
        samples=tuple(samples),
    )


def _flags(connection: duckdb.DuckDBPyConnection) -> Iterator[Flag]:
    meanings = {
        "IS NULL": ("not_undoable", "The undo of these plans cannot bring them back any more."),
        "IS NOT NULL": (
            "unsettled",
            "No outcome says that they are done with; they stay. Apply their plans again.",
        ),
    }
    for condition, (name, meaning) in meanings.items():
        objects, plans = connection.execute(
            "SELECT count(*), list(DISTINCT plan_id ORDER BY plan_id) FROM rows "
            f"WHERE verdict {condition}"
        ).fetchall()[0]
        if objects:
            examples = tuple(plans[:_EXAMPLES])
            yield Flag(name=name, objects=objects, meaning=meaning, examples=examples)


def _batches(connection: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
    query = f"SELECT {', '.join(DRAWN.names)}, NULL::VARCHAR AS previous FROM rows ORDER BY target"
    with closing(connection.execute(query).to_arrow_reader(_BATCH_ROWS)) as reader:
        yield from reader


def _told(age: timedelta) -> str:
    if not age:
        return "what lies in the trash"
    hours = age.total_seconds() / 3600
    told = f"{hours:g} hours" if hours % 24 else counted(age.days, "day")
    return f"what has lain in the trash for {told} or more"
