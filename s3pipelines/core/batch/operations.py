"""The table `operations`: what became of each object of a plan."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from deltalake.exceptions import CommitFailedError

from s3pipelines.core.batch.applications import Application
from s3pipelines.core.batch.plans import Plan, Shard
from s3pipelines.core.batch.rows import Outcome
from s3pipelines.core.catalog.appending import append_through
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OPERATIONS
from s3pipelines.core.catalog.tables import ensure_table, open_table
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.errors import Busy
from s3pipelines.core.sql.quoting import sql_text

_ATTEMPTS = 10


class Operations:
    """Writes outcomes of one application.

    Args:
        catalog: Where the table is.
        plan: The plan.
        application: The application.
    """

    def __init__(self, catalog: Catalog, plan: Plan, application: Application) -> None:
        self._catalog = catalog
        self._plan = plan
        self._application = application
        ensure_table(catalog, OPERATIONS)

    def append(self, outcomes: Sequence[Outcome]) -> None:
        """Write some outcomes in one commit; appends of other shards do not matter.

        Raises:
            Busy: The table itself was being changed, again and again.
            StorageError: The catalog cannot be written.
        """
        rows = self._table(sorted(outcomes, key=lambda outcome: outcome.row.number))
        for _ in range(_ATTEMPTS):
            table = open_table(self._catalog, OPERATIONS)
            try:
                append_through(self._catalog, OPERATIONS, table, rows.to_reader())
            except CommitFailedError:
                continue
            return
        raise Busy(
            f"The table {OPERATIONS.name!r} was changed {_ATTEMPTS} times while it was written to.",
            hint="See what else writes to it, and apply the plan again; it goes on where it ended.",
        )

    def _table(self, outcomes: Sequence[Outcome]) -> pa.Table:
        plan, count = self._plan, len(outcomes)
        rows = [outcome.row for outcome in outcomes]
        bucket = plan.target_bucket
        constant = {
            "source": plan.source_id,
            "plan_id": plan.id,
            "action": plan.action,
            "actor": self._application.actor,
            "reason": self._application.reason or None,
            "epoch": self._application.epoch,
            "applied_at": datetime.now(UTC),
        }
        columns = {name: [value] * count for name, value in constant.items()} | {
            "number": [row.number for row in rows],
            "key": [row.key for row in rows],
            "target": [row.target and f"s3://{bucket}/{row.target}" for row in rows],
            "etag": [row.etag for row in rows],
            "size_bytes": [row.size_bytes for row in rows],
            "outcome": [outcome.result for outcome in outcomes],
            "error": [outcome.error for outcome in outcomes],
            "error_detail": [outcome.detail for outcome in outcomes],
            "precondition": [outcome.precondition for outcome in outcomes],
            "new_etag": [outcome.etag for outcome in outcomes],
            "previous": [
                json.dumps(outcome.previous) if outcome.previous else None for outcome in outcomes
            ],
        }
        arrays = [pa.array(columns[c.name], type=c.type) for c in OPERATIONS.columns]
        return pa.Table.from_arrays(arrays, schema=OPERATIONS.arrow)


@dataclass(frozen=True)
class Progress:
    """How far a shard is.

    Attributes:
        finished: Numbers of the rows that are done or skipped; failed ones may be tried again.
        facts: What failed ones had noted, by number: that an object was copied before it could not
            be deleted, for example.
    """

    finished: frozenset[int]
    facts: dict[int, dict[str, Any]]


def progress_of(catalog: Catalog, plan: Plan, shard: Shard) -> Progress:
    """What the table knows of the rows of a shard.

    Raises:
        StorageError: The catalog cannot be read.
    """
    with connect(catalog) as connection:
        create_source_views(connection, catalog, plan.source_id, OPERATIONS)
        rows = connection.execute(
            "SELECT number, outcome, CASE WHEN outcome = 'failed' THEN previous END "
            f"FROM {OPERATIONS.name} WHERE plan_id = {sql_text(plan.id)} "
            f"AND number BETWEEN {shard.first} AND {shard.first + shard.rows - 1}"
        ).fetchall()
    finished = frozenset(number for number, outcome, _ in rows if outcome != "failed")
    return Progress(finished, {number: json.loads(facts) for number, _, facts in rows if facts})
