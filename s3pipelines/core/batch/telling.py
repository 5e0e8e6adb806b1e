"""Telling the ledger which keys a batch changed, so that the index follows without a listing.

The batch knows what it did, but not what others did since. So what it says is a hint, as an event
is one: S3 is asked about the key before the index changes.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from s3pipelines.core.batch.actions.action import Action
from s3pipelines.core.batch.plans import Plan
from s3pipelines.core.batch.rows import Outcome
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.detection.hints import Addressing
from s3pipelines.core.detection.ledger import append_hints
from s3pipelines.core.detection.notifications import Notice
from s3pipelines.core.detection.pending import read_pending
from s3pipelines.core.sources.registry import read_registry
from s3pipelines.core.sources.source import Source


class Telling:
    """Hints about what one application of a plan changed.

    Args:
        catalog: Where the ledger is.
        plan: The plan.
        action: Its action.
        source: Its source.
    """

    def __init__(self, catalog: Catalog, plan: Plan, action: Action, source: Source) -> None:
        self._catalog = catalog
        self._plan = plan
        self._touches = action.touches
        self._bucket = source.bucket
        sources = read_registry(catalog).sources
        self._sources = {one.id: one for one in sources}
        self._addressing = Addressing(sources, observed_by="batch")

    def tell(self, outcomes: Sequence[Outcome], epoch: int) -> None:
        """Write hints about the objects that were changed; twice does no harm.

        Failed ones are among them: nobody knows how far a request came that had no answer.

        Raises:
            StorageError: The ledger cannot be written.
        """
        at = datetime.now(UTC)
        notices = [
            (_notice(bucket, key), f"{self._plan.id}/{epoch}/{outcome.row.number}")
            for outcome in outcomes
            if outcome.result != "skipped"
            for bucket, key in self._changed(outcome)
        ]
        rows = self._addressing.rows_of(notices, at).rows
        append_hints(self._catalog, [(self._sources[one], some) for one, some in rows.items()], at)

    def _changed(self, outcome: Outcome) -> Iterable[tuple[str, str]]:
        if "key" in self._touches:
            yield self._bucket, outcome.row.key
        if "target" in self._touches and outcome.row.target and self._plan.target_bucket:
            yield self._plan.target_bucket, outcome.row.target


def _notice(bucket: str, key: str) -> Notice:
    return Notice(bucket, key, "", None, None, None, None, None)


def pending_sources(catalog: Catalog, plan: Plan) -> list[Source]:
    """The sources whose index has not taken in yet what a plan changed.

    Raises:
        StorageError: The catalog cannot be read.
    """
    buckets = {plan.target_bucket}
    sources = read_registry(catalog).sources
    return [
        source
        for source in sources
        if (source.id == plan.source_id or source.bucket in buckets)
        and (pending := read_pending(catalog, source)) is not None
        and pending.hints
    ]
