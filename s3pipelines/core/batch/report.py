"""What became of a plan: counts, failures by reason, and every row for whoever wants to see it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import duckdb

from s3pipelines.core.batch.applications import last_application
from s3pipelines.core.batch.plans import Plan, read_plan
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OPERATIONS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.whole_files import whole_file

_EXAMPLES = 3
_FORMATS = {".csv": "FORMAT csv, HEADER", ".parquet": "FORMAT parquet, COMPRESSION zstd"}


@dataclass(frozen=True)
class Reason:
    """Objects that were not done for the same reason.

    Attributes:
        outcome: `failed` or `skipped`.
        error: The reason, in one word.
        objects: How many.
        detail: The same in a sentence, of one of them.
        examples: A few keys.
    """

    outcome: str
    error: str
    objects: int
    detail: str
    examples: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """What became of a plan so far.

    Attributes:
        plan: The plan.
        done: Objects that were changed.
        skipped: Objects that were left as they are, as the plan says.
        failed: Objects that could not be changed.
        done_bytes: Size of those that were changed.
        preconditions: How it was made sure that they were as planned, with counts.
        reasons: Why the others were not done.
        applied_by: Who applied it last; None if nobody did.
        last_at: When the last outcome was written.
    """

    plan: Plan
    done: int
    skipped: int
    failed: int
    done_bytes: int
    preconditions: dict[str, int]
    reasons: tuple[Reason, ...]
    applied_by: str | None
    last_at: datetime | None

    @property
    def left(self) -> int:
        """Objects without an outcome yet."""
        return self.plan.summary.objects - self.done - self.skipped - self.failed

    @property
    def is_complete(self) -> bool:
        """Every object has its outcome, and none failed."""
        return not self.left and not self.failed


def report_on(catalog: Catalog, plan_id: str) -> Report:
    """Sum up what became of a plan.

    Raises:
        NotFound: There is no such plan.
        StorageError: The catalog cannot be read.
    """
    plan = read_plan(catalog, plan_id)
    application = last_application(catalog, plan_id)
    with _outcomes(catalog, plan) as connection:
        counts = {
            outcome: (objects, size_bytes)
            for outcome, objects, size_bytes in connection.execute(
                "SELECT outcome, count(*), sum(size_bytes)::BIGINT FROM outcomes GROUP BY ALL"
            ).fetchall()
        }
        preconditions = connection.execute(
            "SELECT precondition, count(*) FROM outcomes WHERE precondition IS NOT NULL "
            "AND outcome = 'done' GROUP BY ALL ORDER BY 1"
        ).fetchall()
        reasons = connection.execute(
            "SELECT outcome, error, count(*), any_value(error_detail), "
            f"list(key ORDER BY number)[1:{_EXAMPLES}] FROM outcomes "
            "WHERE outcome <> 'done' GROUP BY outcome, error ORDER BY 3 DESC, 2"
        ).fetchall()
        last = connection.execute("SELECT max(applied_at) FROM outcomes").fetchall()[0][0]
    return Report(
        plan=plan,
        done=counts.get("done", (0, 0))[0],
        skipped=counts.get("skipped", (0, 0))[0],
        failed=counts.get("failed", (0, 0))[0],
        done_bytes=counts.get("done", (0, 0))[1],
        preconditions=dict(preconditions),
        reasons=tuple(
            Reason(outcome, error or "", objects, detail or "", tuple(keys))
            for outcome, error, objects, detail, keys in reasons
        ),
        applied_by=application.actor if application else None,
        last_at=last,
    )


def write_rows(
    catalog: Catalog, plan_id: str, path: Path, which: Literal["all", "failed"] = "all"
) -> int:
    """Write the outcomes of a plan into a CSV or Parquet file, by its ending.

    Returns:
        How many there are.

    Raises:
        InvalidInput: The file has another ending, or cannot be written.
        NotFound: There is no such plan.
        StorageError: The catalog cannot be read.
    """
    options = _FORMATS.get(path.suffix.lower())
    if options is None:
        raise InvalidInput(
            f"{path} ends neither in .csv nor in .parquet.", hint="Choose one of these."
        )
    plan = read_plan(catalog, plan_id)
    condition = "outcome = 'failed'" if which == "failed" else "true"
    with _outcomes(catalog, plan) as connection, whole_file(path) as part:
        written = connection.execute(
            f"COPY (SELECT * FROM outcomes WHERE {condition} ORDER BY number) "
            f"TO {sql_text(str(part))} ({options}, USE_TMP_FILE false)"
        )
        return int((written.fetchone() or (0,))[0])


@contextmanager
def _outcomes(catalog: Catalog, plan: Plan) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the view `outcomes`: the latest row for each object of the plan."""
    with connect(catalog) as connection:
        create_source_views(connection, catalog, plan.source_id, OPERATIONS)
        connection.execute(
            f"CREATE VIEW outcomes AS SELECT * FROM {OPERATIONS.name} "
            f"WHERE plan_id = {sql_text(plan.id)}"
        )
        yield connection
