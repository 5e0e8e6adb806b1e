"""`audit_source`: read objects of a source again; `nightly_audit`: some of each, every night."""

from collections.abc import Iterator, Mapping
from typing import Any

from dagster import (
    Config,
    DefaultScheduleStatus,
    Failure,
    MetadataValue,
    OpExecutionContext,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    TableColumn,
    TableRecord,
    TableSchema,
    in_process_executor,
    job,
    op,
    schedule,
)
from pydantic import Field

from s3pipelines.assets.failures import clear_failures
from s3pipelines.core.errors import printable
from s3pipelines.core.fixity.auditing import Wanted, audit
from s3pipelines.core.fixity.due import Sample
from s3pipelines.core.fixity.outcomes import Audit
from s3pipelines.core.sources.registry import read_registry
from s3pipelines.core.sql.selection import Selection
from s3pipelines.resources.catalog import CatalogResource
from s3pipelines.settings import Settings

_MB = 1_000_000
# Metadata is kept for ever; all of them are in the table `audits`.
_MOST_TOLD = 200


class AuditSource(Config):
    """What to read again; the same as `s3pipelines data audit`."""

    source: str = Field(description="Id of the source, or ID@VERSION.")
    where: str | None = Field(None, description="Only objects for which this SQL condition holds.")
    glob: str | None = Field(None, description="Only keys like this, below the prefix.")
    regex: str | None = Field(None, description="Only keys like this (RE2), below the prefix.")
    keys: list[str] = Field([], description="Only these full keys.")
    limit: int | None = Field(None, ge=1, description="At most so many objects.")
    sample: float = Field(1.0, gt=0, le=1, description="Only this share of them, from 0 to 1.")
    seed: int | None = Field(
        None, ge=0, description="Draws the sample; by default another one each time."
    )
    budget_mb: int | None = Field(None, ge=0, description="Read at most so much, in MB.")
    budget_s: float | None = Field(
        None, ge=0, description="After so long begin no other object, in seconds."
    )

    @property
    def wanted(self) -> Wanted:
        """The same for the core."""
        keys = frozenset(self.keys) or None
        return Wanted(
            self.source,
            Selection(self.where, self.regex, self.glob, self.limit, keys),
            Sample(self.sample) if self.seed is None else Sample(self.sample, self.seed),
            None if self.budget_mb is None else self.budget_mb * _MB,
            self.budget_s,
        )


@op(description="Read objects again, and compare them with all that is known of them.")
def audit_objects(
    context: OpExecutionContext, config: AuditSource, catalog: CatalogResource
) -> None:
    """Audit, and fail at the end if something is damaged, missing, or cannot be read."""
    with clear_failures():
        done = audit(catalog.get(), config.wanted)
    metadata = audit_metadata(done)
    if done.failing:
        counts = ", ".join(f"{count:,} {outcome}" for outcome, count in done.counts.most_common())
        raise Failure(
            f"{done.failing:,} of {done.audited:,} objects are not as they should be: {counts}.",
            metadata=metadata,
            allow_retries=False,
        )
    context.add_output_metadata(metadata)


def audit_metadata(done: Audit) -> Mapping[str, MetadataValue]:
    """Sums that plot, and a table of what is not as it should be."""
    names = ("key", "outcome", "detail")
    records = [
        TableRecord(
            {
                "key": printable(one.key),
                "outcome": one.outcome,
                "detail": one.detail or "",
            }
        )
        for one in done.told[:_MOST_TOLD]
    ]
    columns = [TableColumn(name, "string") for name in names]
    return {
        "audited": MetadataValue.int(done.audited),
        "read_bytes": MetadataValue.int(done.read_bytes),
        "failing": MetadataValue.int(done.failing),
        "left": MetadataValue.int(done.due - done.audited),
        "seed": MetadataValue.int(done.seed),
        "objects": MetadataValue.table(records, TableSchema(columns=columns)),
    }


@job(
    executor_def=in_process_executor,  # One step: a process of its own would only cost a second.
    description="Read objects of a source again, and compare their SHA-256, ETag, checksums and "
    "size with what is known; those first that were not read for longest. Reads only.",
)
def audit_source() -> None:
    """One op: the audit."""
    audit_objects()


def build_nightly_audit(settings: Settings) -> ScheduleDefinition:
    """The schedule, within the budget of the settings."""

    @schedule(
        job=audit_source,
        name="nightly_audit",
        cron_schedule="0 1 * * *",
        # Reading costs requests, and money where the bytes leave the region.
        default_status=DefaultScheduleStatus.STOPPED,
        description="Read some of each source again every night, at most "
        "S3PIPELINES_AUDIT_BUDGET_MB of each, so that in time everything is audited. Off unless "
        "you start it.",
    )
    def nightly_audit(
        context: ScheduleEvaluationContext, catalog: CatalogResource
    ) -> Iterator[RunRequest]:
        """One run per source and night."""
        registry = read_registry(catalog.get())
        for error in registry.unreadable.values():
            context.log.warning(str(error))
        for source in registry.sources:
            night = f"{context.scheduled_execution_time:%Y-%m-%d}"
            yield RunRequest(
                run_key=f"{night}/{source.id}/{source.generation}",
                run_config=_config(source.id, settings.audit_budget_mb),
                tags={"s3pipelines/audit": source.id, "dagster/priority": "-3"},
            )

    return nightly_audit


def _config(source_id: str, budget_mb: int) -> dict[str, Any]:
    wanted = {"source": source_id, "budget_mb": budget_mb}
    return {"ops": {"audit_objects": {"config": wanted}}}
