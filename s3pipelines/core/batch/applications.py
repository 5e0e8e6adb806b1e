"""Opening a plan for its application: once at a time, with the buckets examined beforehand.

Each application has an epoch. Steps of an earlier one that are still alive somewhere are fenced:
whoever works on a shard holds the lease of the shard, and looks whether its epoch is still the
latest one before it commits anything.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from s3pipelines.core.batch.actions import action_of
from s3pipelines.core.batch.changed import count_changed
from s3pipelines.core.batch.pinned import refuse_broken_versions
from s3pipelines.core.batch.plans import Plan, Shard, read_plan
from s3pipelines.core.batch.sites import PlanFacts, find_facts
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import (
    AlreadyExists,
    Busy,
    Gone,
    InvalidInput,
    PreconditionFailed,
)
from s3pipelines.core.sources.registry import get_source, whoami
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.places import KnownPlaces
from s3pipelines.core.storage.leases import holder_of


class Application(BaseModel):
    """One application of a plan, as its document in the catalog has it.

    Attributes:
        plan_id: The plan.
        epoch: From 1 on; a later application has a higher number.
        actor: Who applies it.
        reason: Why, in their words.
        run_id: The Dagster run that does it; None for the command line.
        changed: How many objects of the plan the index has otherwise by now.
        facts: What was found out about the buckets.
    """

    model_config = ConfigDict(frozen=True)

    plan_id: str
    epoch: int
    actor: str
    reason: str
    run_id: str | None
    opened_at: datetime
    changed: int
    facts: PlanFacts


@dataclass(frozen=True)
class Opened:
    """A plan that is being applied, with its source as it is registered."""

    application: Application
    plan: Plan
    source: Source
    places: KnownPlaces = field(default_factory=KnownPlaces)


def open_application(
    catalog: Catalog,
    plan_id: str,
    *,
    actor: str | None = None,
    reason: str = "",
    run_id: str | None = None,
    alone: bool = False,
) -> Opened:
    """Open a plan, so that its shards can be worked through.

    Nothing was changed when this raises.

    Args:
        catalog: Where the plan is.
        plan_id: The plan.
        actor: Who applies it; whoever runs this process by default.
        reason: Why; what the plan says by default.
        run_id: The Dagster run that does it.
        alone: The caller holds `plan_lease`, and so knows that nobody else applies it.

    Raises:
        NotFound: There is no such plan, or its source is gone.
        InvalidInput: The source was registered anew, or is read-only by now, or a version was made
            since whose members would be taken away.
        Busy: Another process is applying the plan.
        AccessDenied: Something that the plan needs is not allowed.
        StorageError: A bucket, or the catalog, cannot be used.
    """
    plan = read_plan(catalog, plan_id)
    source = _source_of(catalog, plan)
    action = action_of(plan)
    action.require_possible()
    if not alone:
        refuse_if_busy(catalog, plan)
    refuse_broken_versions(catalog, source, plan, action)
    places = KnownPlaces()
    # The index is counted while the buckets answer.
    with ThreadPoolExecutor(1) as pool, LoopThread() as loop:
        counting = pool.submit(_changed, catalog, plan)
        facts = loop.run(find_facts(catalog, source, plan, action, places))
    latest, tag = _latest(catalog, plan_id)
    application = Application(
        plan_id=plan_id,
        epoch=latest.epoch + 1 if latest else 1,
        actor=actor or whoami(),
        reason=reason or plan.reason,
        run_id=run_id,
        opened_at=datetime.now(UTC),
        changed=counting.result(),
        facts=facts,
    )
    _write(catalog, application, tag)
    return Opened(application, plan, source, places)


def current_application(catalog: Catalog, plan_id: str, epoch: int) -> Opened:
    """The application of that epoch, for a step that works on one of its shards.

    Raises:
        NotFound: There is no such plan, or its source is gone.
        Busy: The plan was opened again since.
        StorageError: The catalog cannot be read.
    """
    plan = read_plan(catalog, plan_id)
    application = require_current(catalog, plan_id, epoch)
    return Opened(application, plan, _source_of(catalog, plan))


def require_current(catalog: Catalog, plan_id: str, epoch: int) -> Application:
    """The latest application, if it is the one of that epoch.

    Raises:
        Busy: The plan was opened again since.
        StorageError: The catalog cannot be read.
    """
    latest, _ = _latest(catalog, plan_id)
    if latest is None or latest.epoch != epoch:
        raise Busy(
            f"The plan {plan_id} was opened again since (by {latest.actor if latest else '?'}).",
            hint="This application of it ends here; nothing is lost, the other one goes on.",
        )
    return latest


def last_application(catalog: Catalog, plan_id: str) -> Application | None:
    """The latest application of a plan; None if it was never applied."""
    return _latest(catalog, plan_id)[0]


def plan_lease(plan_id: str) -> str:
    """Name of the lease of a process that applies a plan from its first shard to its last one."""
    return f"leases/plans/{plan_id}.json"


def shard_lease(plan: Plan, shard: Shard) -> str:
    """Name of the lease of whoever works on a shard."""
    return f"leases/plans/{plan.id}/{shard.number:05d}.json"


def refuse_if_busy(catalog: Catalog, plan: Plan) -> None:
    """Make sure that nobody applies the plan, or works on a shard of it.

    Raises:
        Busy: Somebody does.
    """
    shards = catalog.documents.names(f"leases/plans/{plan.id}/")
    for name in [plan_lease(plan.id), *shards]:
        holder = holder_of(catalog.documents, name)
        if holder is not None:
            raise Busy(
                f"The plan {plan.id} is being applied (process {holder.pid} on {holder.host}).",
                hint="Wait for it to end; 's3pipelines batch report' shows how far it is.",
            )


def _changed(catalog: Catalog, plan: Plan) -> int:
    # An undo looks for what the other plan has left, which the index need not have.
    return 0 if plan.undoes or action_of(plan).of_trash else count_changed(catalog, plan)


def _source_of(catalog: Catalog, plan: Plan) -> Source:
    source = get_source(catalog, plan.source_id)
    if source.generation != plan.generation:
        raise InvalidInput(
            f"The source {source.id!r} was deleted and registered anew since the plan was made.",
            hint="Make a new plan.",
        )
    action = action_of(plan)
    if source.read_only and action.changes_source:
        raise InvalidInput(
            f"The source {source.id!r} is read-only by now.", hint="Apply nothing to it."
        )
    return source


def _name(plan_id: str) -> str:
    return f"plan_files/{plan_id}/application.json"


def _latest(catalog: Catalog, plan_id: str) -> tuple[Application | None, str | None]:
    try:
        document = catalog.documents.read(_name(plan_id))
    except Gone:
        return None, None
    return Application.model_validate_json(document.body), document.tag


def _write(catalog: Catalog, application: Application, tag: str | None) -> None:
    body = application.model_dump_json(indent=1).encode()
    try:
        if tag is None:
            catalog.documents.create(_name(application.plan_id), body)
        else:
            catalog.documents.replace(_name(application.plan_id), body, tag)
    except (AlreadyExists, PreconditionFailed) as error:
        raise Busy(
            f"The plan {application.plan_id} was opened by somebody else in this moment.",
            hint="See 's3pipelines batch report'.",
        ) from error
