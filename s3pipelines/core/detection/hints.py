"""From what a message says to rows of the ledger: which sources a notice concerns, and its id."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from s3pipelines.core.detection.ledger import new_row, observation_id
from s3pipelines.core.detection.notifications import Notice
from s3pipelines.core.sources.scope import Scope
from s3pipelines.core.sources.source import Source


@dataclass(frozen=True)
class Hinted:
    """What some notices come to.

    Attributes:
        rows: Rows of `changes` by the id of the source, each delivery once.
        duplicates: Deliveries of what was among them already.
        outside: Notices about keys of no source.
    """

    rows: dict[str, list[dict[str, Any]]]
    duplicates: int
    outside: int


class Addressing:
    """Finds the sources that a key belongs to; made once for many notices.

    Args:
        sources: The registered ones.
        observed_by: Who noticed, as the ledger has it.
    """

    def __init__(self, sources: Iterable[Source], observed_by: str = "event") -> None:
        self._observed_by = observed_by
        self._by_bucket: dict[str, list[tuple[Source, Scope]]] = {}
        for source in sources:
            self._by_bucket.setdefault(source.bucket, []).append((source, Scope(source)))

    def rows_of(
        self, notices: Sequence[tuple[Notice, str]], at: datetime, inbox_of: Source | None = None
    ) -> Hinted:
        """Rows of the ledger for notices.

        Args:
            notices: Each with a text that tells deliveries apart which say nothing of themselves.
            at: When they were observed.
            inbox_of: The source whose inbox they come from; it takes those without a bucket.
        """
        rows: dict[str, dict[str, dict[str, Any]]] = {}
        duplicates = outside = 0
        for notice, delivery in notices:
            concerned = self._concerned(notice, inbox_of)
            outside += not concerned
            for source, scope, key in concerned:
                row = _row(source, scope, key, notice, delivery, at)
                row["observed_by"] = self._observed_by
                of_source = rows.setdefault(source.id, {})
                duplicates += row["id"] in of_source
                of_source[row["id"]] = row
        by_source = {source_id: list(some.values()) for source_id, some in rows.items()}
        return Hinted(by_source, duplicates, outside)

    def _concerned(
        self, notice: Notice, inbox_of: Source | None
    ) -> list[tuple[Source, Scope, str]]:
        if not notice.bucket and inbox_of is not None:
            # Whoever wrote it may have meant the name below the source's prefix.
            inside = notice.key.startswith(inbox_of.prefix)
            key = notice.key if inside else inbox_of.prefix + notice.key
            return [(inbox_of, Scope(inbox_of), key)]
        of_bucket = self._by_bucket.get(notice.bucket, [])
        return [(s, scope, notice.key) for s, scope in of_bucket if notice.key.startswith(s.prefix)]


def _row(
    source: Source, scope: Scope, key: str, notice: Notice, delivery: str, at: datetime
) -> dict[str, Any]:
    # What S3 tells of an event is the same in each delivery of it.
    own = notice.sequencer or notice.version_id or delivery
    wanted = scope.holds(key)
    return new_row(
        source.id,
        key,
        "hinted" if wanted else "excluded",
        id=observation_id(source.id, source.generation, key, notice.event, own),
        etag=notice.etag,
        version_id=notice.version_id,
        sequencer=notice.sequencer,
        size_bytes=notice.size_bytes,
        event=notice.event or None,
        event_time=notice.event_time,
        observed_at=at,
        note=None if wanted else "The source leaves it out (--include, --exclude).",
    )
