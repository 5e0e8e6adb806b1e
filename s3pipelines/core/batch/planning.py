"""Making a plan: select → map → look at the target → review → freeze.

Nothing is changed but the catalog, which gets the manifest first and the document that names it
last: a plan that was interrupted does not exist.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from s3pipelines.core.batch.actions.action import Action
from s3pipelines.core.batch.existing import Existing, OnExisting, list_existing
from s3pipelines.core.batch.manifests import rows_per_shard, write_manifest
from s3pipelines.core.batch.pinned import broken_by
from s3pipelines.core.batch.plans import Flag, Plan, Summary, new_plan_id, write_plan
from s3pipelines.core.batch.prices import price
from s3pipelines.core.batch.review import Review, Reviewer
from s3pipelines.core.batch.selecting import Drawn, draw_rows, frugal
from s3pipelines.core.batch.targets import require_writable, target_access
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.datasets.states import source_state
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.preview.wording import counted
from s3pipelines.core.sources.registry import whoami
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.storage.locations import S3Location

_BATCH_ROWS = 10_000


@dataclass(frozen=True)
class Request:
    """What somebody wants done.

    Attributes:
        source_id: Whose objects; `ID@VERSION` for those of a version.
        action: What is to be done to them.
        selection: Which of them.
        reason: Why, in their words.
        by: Who; whoever runs this process by default.
    """

    source_id: str
    action: Action
    selection: Selection = field(default_factory=Selection)
    reason: str = ""
    by: str | None = None


def make_plan(
    catalog: Catalog, request: Request, say: Callable[[str], None] = lambda _: None
) -> Plan:
    """Freeze a selection into a plan.

    Args:
        catalog: Where the index is, and the plan goes.
        request: What is wanted.
        say: Is told of the steps, a line each.

    Raises:
        NotFound: There is no such source.
        InvalidInput: The source is read-only, the selection is empty or wrong, or the targets
            collide or exist; nothing was written.
        StorageError: The target cannot be listed, or the catalog not be written.
    """
    state, action = source_state(catalog, request.source_id), request.action
    source = state.source
    _refuse_read_only(source, action)
    action.require_possible()
    with (
        tempfile.TemporaryDirectory(prefix="s3pipelines-plan-") as folder,
        connect(frugal(catalog)) as connection,
    ):
        existing = _look_at_target(catalog, source, action, Path(folder, "existing.parquet"), say)
        rows = Path(folder, "rows.parquet")
        say("Selecting objects")
        drawn = Drawn(state, request.selection, action.mapping, existing)
        draw_rows(connection, catalog, drawn, rows)
        say("Reviewing")
        review = _reviewed(connection, source, action, rows)
        flags = _spare_versions(connection, catalog, source, action, rows)
        review = replace(review, flags=(*review.flags, *flags))
        say(f"Writing the plan of {counted(review.objects, 'object')}")
        return _frozen(catalog, source, request, review, _batches(connection, rows))


def _refuse_read_only(source: Source, action: Action) -> None:
    if source.read_only and action.changes_source:
        raise InvalidInput(
            f"The source {source.id!r} is registered as read-only.",
            hint=f"Allow it with 's3pipelines sources update --id {source.id} --writable -m WHY'.",
        )


def _look_at_target(
    catalog: Catalog,
    source: Source,
    action: Action,
    path: Path,
    say: Callable[[str], None],
) -> Existing | None:
    mapping = action.mapping
    if mapping is None:
        return None
    require_writable(catalog, source, mapping.to)
    head = S3Location(mapping.to.bucket, mapping.head)
    say(f"Looking at what is at {head.uri.removesuffix('/')}")
    return list_existing(target_access(catalog, source, mapping.to), head, action.on_existing, path)


def _reviewed(
    connection: duckdb.DuckDBPyConnection, source: Source, action: Action, rows: Path
) -> Review:
    reviewer, mapping = Reviewer(connection, rows), action.mapping
    reviewer.refuse_nothing()
    if mapping is not None:
        reviewer.refuse_bad_targets(
            same_bucket=mapping.to.bucket == source.bucket,
            refuse_existing=action.on_existing is OnExisting.fail,
        )
    review = reviewer.review(reads=action.reads, writes=mapping is not None)
    if not review.to_do:
        why = "; ".join(f"{flag.objects:,} {flag.name}" for flag in review.flags)
        raise InvalidInput(
            f"There is nothing to do for the {review.objects:,} selected objects ({why}).",
            hint="Choose others, or say otherwise what is done about existing targets.",
        )
    return review


def _spare_versions(
    connection: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    source: Source,
    action: Action,
    rows: Path,
) -> tuple[Flag, ...]:
    """Refuse to take members of versions away; a flag if the action may do so."""
    relation = f"read_parquet({sql_text(str(rows))})"
    broken = broken_by(connection, catalog, source, action, relation)
    if broken is None:
        return ()
    if not action.breaks_versions:
        raise broken.refusal()
    return (broken.flag,)


def _batches(connection: duckdb.DuckDBPyConnection, rows: Path) -> Iterator[pa.RecordBatch]:
    query = f"SELECT *, NULL::VARCHAR AS previous FROM read_parquet({sql_text(str(rows))})"
    yield from connection.execute(query).to_arrow_reader(_BATCH_ROWS)


def _frozen(
    catalog: Catalog,
    source: Source,
    request: Request,
    review: Review,
    batches: Iterator[pa.RecordBatch],
) -> Plan:
    plan_id, action = new_plan_id(), request.action
    shards = write_manifest(catalog, plan_id, batches, rows_per_shard(review.objects))
    requests, usd = price(action, review.to_do)
    plan = Plan(
        id=plan_id,
        source_id=source.id,
        generation=source.generation,
        action=action.name,
        params=action.params.model_dump(mode="json"),
        selection=_described(request),
        target=action.mapping.to.uri if action.mapping else None,
        created_at=datetime.now(UTC),
        created_by=request.by or whoami(),
        reason=request.reason,
        shards=tuple(shards),
        summary=Summary(
            objects=review.objects,
            to_do=review.to_do,
            size_bytes=review.size_bytes,
            requests=requests,
            usd=usd,
            classes=review.classes,
            flags=review.flags,
            samples=review.samples,
        ),
    )
    write_plan(catalog, plan)
    return plan


def _described(request: Request) -> str:
    version = request.source_id.partition("@")[2]
    return f"{request.selection}, of version {version}" if version else str(request.selection)
