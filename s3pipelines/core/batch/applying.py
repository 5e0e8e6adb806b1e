"""Applying a plan from one process, shard after shard; Dagster applies its shards as steps."""

from collections.abc import Callable

from s3pipelines.core.batch.applications import open_application, plan_lease, refuse_if_busy
from s3pipelines.core.batch.plans import read_plan
from s3pipelines.core.batch.report import Report, report_on
from s3pipelines.core.batch.shards import run_shard
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.preview.wording import counted
from s3pipelines.core.storage.leases import EXPIRE_AFTER_S, hold


def apply_plan(
    catalog: Catalog,
    plan_id: str,
    *,
    actor: str | None = None,
    reason: str = "",
    say: Callable[[str], object] = lambda _: None,
    progress: Callable[[int], object] = lambda _: None,
) -> Report:
    """Carry out what a plan says and is not done yet.

    It may be killed anywhere, and applied again: what is done stays done.

    Args:
        catalog: Where the plan is.
        plan_id: The plan.
        actor: Who applies it; whoever runs this process by default.
        reason: Why; what the plan says by default.
        say: Is told of the steps, a line each.
        progress: Is told how many objects have an outcome, all in all.

    Raises:
        NotFound: There is no such plan, or its source is gone.
        InvalidInput: The source was registered anew, or is read-only by now.
        Busy: Another process is applying the plan.
        AccessDenied: Something that the plan needs is not allowed.
        StorageError: A bucket, or the catalog, cannot be used; what was done is noted.
    """
    plan = read_plan(catalog, plan_id)
    refuse_if_busy(catalog, plan)
    purpose = f"The application of plan {plan_id}"
    with hold(catalog.documents, plan_lease(plan_id), purpose, wait_s=EXPIRE_AFTER_S + 5):
        _apply(catalog, plan_id, actor, reason, say, progress)
    return report_on(catalog, plan_id)


def _apply(
    catalog: Catalog,
    plan_id: str,
    actor: str | None,
    reason: str,
    say: Callable[[str], object],
    progress: Callable[[int], object],
) -> None:
    opened = open_application(catalog, plan_id, actor=actor, reason=reason, alone=True)
    if changed := opened.application.changed:
        say(f"{counted(changed, 'object')} changed since the plan was made, and will be left alone")
    ended = 0

    def advance(rows: int) -> None:
        nonlocal ended
        ended += rows
        progress(ended)

    for shard in opened.plan.shards:
        run_shard(catalog, opened, shard, advance)
