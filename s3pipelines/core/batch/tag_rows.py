"""The table `tags`: what a batch made of the tags of objects, which no listing tells."""

from collections.abc import Sequence
from datetime import UTC, datetime

from s3pipelines.core.batch.actions.action import Action
from s3pipelines.core.batch.plans import Plan
from s3pipelines.core.batch.rows import Outcome
from s3pipelines.core.catalog.appending import append_rows
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import TAGS


class TagRows:
    """Writes rows of `tags` about what an action changed; most change none."""

    def __init__(self, catalog: Catalog, plan: Plan, action: Action) -> None:
        self._catalog = catalog
        self._plan = plan
        self._action = action

    def append(self, outcomes: Sequence[Outcome]) -> None:
        """Write what is known of the tags of these objects; twice does no harm.

        Raises:
            StorageError: The catalog cannot be written.
        """
        now = datetime.now(UTC)
        rows = [
            {
                "source": self._plan.source_id,
                "key": outcome.row.key,
                "etag": outcome.row.etag,
                "name": name,
                "value": value,
                "tagged_at": now,
            }
            for outcome in outcomes
            if outcome.result == "done"
            for name, value in (self._action.tags_after(outcome) or {}).items()
        ]
        append_rows(self._catalog, TAGS, rows)
