"""The table `derivatives`: what a batch made of objects, and took back."""

from collections.abc import Sequence
from datetime import UTC, datetime

from s3pipelines.core.batch.plans import Plan
from s3pipelines.core.batch.rows import Outcome
from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import DERIVATIVES


class DerivativeRows:
    """Writes rows of `derivatives` about what an action made; most make nothing."""

    def __init__(self, catalog: Catalog, plan: Plan) -> None:
        self._catalog = catalog
        self._plan = plan

    def append(self, outcomes: Sequence[Outcome]) -> None:
        """Write what was made; twice does no harm.

        Raises:
            StorageError: The catalog cannot be written.
        """
        now = datetime.now(UTC)
        rows = [
            {
                **dict.fromkeys(DERIVATIVES.column_names),
                "source": self._plan.source_id,
                "key": outcome.row.key,
                "etag": outcome.row.etag,
                "made_at": now,
                **outcome.derived,
            }
            for outcome in outcomes
            if outcome.derived is not None
        ]
        append_rows(self._catalog, DERIVATIVES, rows)
