"""The reverse plan: what a plan did, read back from the table `operations`."""

import json
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice

import duckdb
import pyarrow as pa

from s3pipelines.core.batch.actions import UndoParams, action_of
from s3pipelines.core.batch.actions.action import Action
from s3pipelines.core.batch.actions.empty_trash import EmptyTrashAction
from s3pipelines.core.batch.applications import refuse_if_busy
from s3pipelines.core.batch.manifests import rows_per_shard, write_manifest
from s3pipelines.core.batch.plans import (
    Flag,
    Plan,
    Shard,
    Summary,
    new_plan_id,
    read_plan,
    write_plan,
)
from s3pipelines.core.batch.rows import MANIFEST
from s3pipelines.core.batch.selecting import frugal
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OPERATIONS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sources.registry import whoami
from s3pipelines.core.sql.quoting import sql_text

_BATCH_ROWS = 10_000
_EXAMPLES = 3
_EMPTIED = "the trash was emptied since"
_UNDOABLE = pa.schema([field for field in MANIFEST if field.name != "number"])


def make_undo_plan(
    catalog: Catalog, plan_id: str, *, reason: str = "", by: str | None = None
) -> Plan:
    """Make the plan that takes back what a plan did; it is applied like any other.

    What cannot be taken back is in it, too, with the reason, and will be skipped.

    Raises:
        NotFound: There is no such plan.
        InvalidInput: It did nothing that can be taken back.
        Busy: It is being applied.
        StorageError: The catalog cannot be read or written.
    """
    plan = read_plan(catalog, plan_id)
    if plan.undoes is not None:
        raise InvalidInput(
            f"The plan {plan_id} is an undo itself.",
            hint=f"Make the plan {plan.undoes} anew to do again what it took back.",
        )
    refuse_if_busy(catalog, plan)
    undo, tally = new_plan_id(), _Tally(action_of(plan))
    with connect(frugal(catalog)) as connection:
        create_source_views(connection, catalog, plan.source_id, OPERATIONS)
        done = _done(plan)
        count = connection.execute(f"SELECT count(*) FROM ({done})").fetchall()[0][0]
        rows = tally.rows(_batches(connection, done))
        shards = write_manifest(catalog, undo, rows, rows_per_shard(count)) if count else []
    if not tally.to_do:
        raise InvalidInput(
            f"The plan {plan_id} did nothing that can be taken back"
            f"{f' ({tally.why})' if tally.why else ''}.",
            hint="See 's3pipelines batch report'.",
        )
    undo_plan = _undo_plan(plan, undo, shards, tally, reason, by or whoami())
    write_plan(catalog, undo_plan)
    return undo_plan


def _done(plan: Plan) -> str:
    """A query for the rows that were done, with the columns of a manifest."""
    head = len(f"s3://{plan.target_bucket}/")
    return f"""
        SELECT key, size_bytes, etag, NULL::VARCHAR AS version_id,
            NULL::TIMESTAMPTZ AS last_modified, NULL::VARCHAR AS storage_class,
            substr(target, {head + 1}) AS target, new_etag AS target_etag,
            NULL::VARCHAR AS verdict, coalesce(previous, '{{}}') AS previous,
            coalesce(
                json_extract_string(previous, '$.trash'),
                json_extract_string(previous, '$.replaced[1]')
            ) IN (
                SELECT regexp_replace(target, '^s3://[^/]+/', '') FROM {OPERATIONS.name}
                WHERE action = {sql_text(EmptyTrashAction.name)} AND outcome = 'done'
            ) AS is_emptied
        FROM {OPERATIONS.name}
        WHERE plan_id = {sql_text(plan.id)} AND outcome = 'done'
        ORDER BY number
    """


def _batches(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.RecordBatch]:
    with closing(connection.execute(query).to_arrow_reader(_BATCH_ROWS)) as reader:
        yield from reader


class _Tally:
    """Counts rows on their way into the undo plan, and says of each whether it can be undone."""

    def __init__(self, action: Action) -> None:
        self._action = action
        self.objects = self.to_do = self.size_bytes = 0
        self._not: dict[str, int] = {}
        self._examples: list[str] = []
        self.samples: list[tuple[str, str | None]] = []

    def rows(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            columns = {name: batch.column(name).to_pylist() for name in batch.schema.names}
            told = zip(columns["previous"], columns["is_emptied"], strict=True)
            columns["verdict"] = [
                _EMPTIED if emptied else self._action.why_not_undone(json.loads(previous))
                for previous, emptied in told
            ]
            self._count(columns)
            arrays = [pa.array(columns[f.name], type=f.type) for f in _UNDOABLE]
            yield pa.RecordBatch.from_arrays(arrays, schema=_UNDOABLE)

    def _count(self, columns: dict[str, list]) -> None:
        rows = zip(columns["key"], columns["verdict"], columns["size_bytes"], strict=True)
        for key, verdict, size_bytes in rows:
            self.objects += 1
            if verdict is None:
                self.to_do += 1
                self.size_bytes += size_bytes
                continue
            self._not[verdict] = self._not.get(verdict, 0) + 1
            if len(self._examples) < _EXAMPLES:
                self._examples.append(key)
        if not self.samples:
            pairs = zip(columns["key"], columns["target"], strict=True)
            self.samples = list(islice(pairs, _EXAMPLES))

    @property
    def why(self) -> str:
        """Why some cannot be taken back."""
        return "; ".join(f"{objects:,}: {why}" for why, objects in sorted(self._not.items()))

    @property
    def flags(self) -> tuple[Flag, ...]:
        """What cannot be taken back, for the summary."""
        left = self.objects - self.to_do
        if not left:
            return ()
        return (
            Flag(
                name="cannot_be_undone",
                objects=left,
                meaning=f"They stay as they are ({self.why}).",
                examples=tuple(self._examples),
            ),
        )


def _undo_plan(
    plan: Plan, undo_id: str, shards: list[Shard], tally: _Tally, reason: str, by: str
) -> Plan:
    params = UndoParams(plan_id=plan.id, action=plan.action, params=plan.params)
    return Plan(
        id=undo_id,
        source_id=plan.source_id,
        generation=plan.generation,
        action="undo",
        params=params.model_dump(mode="json"),
        selection=f"what plan {plan.id} did",
        target=plan.target,
        undoes=plan.id,
        created_at=datetime.now(UTC),
        created_by=by,
        reason=reason,
        shards=tuple(shards),
        summary=Summary(
            objects=tally.objects,
            to_do=tally.to_do,
            size_bytes=tally.size_bytes,
            requests=0,
            usd=0,
            flags=tally.flags,
            samples=tuple(tally.samples),
        ),
    )
