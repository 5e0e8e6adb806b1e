"""`copy_objects`, `move_objects` …: a job for each action; `apply_plan`, `undo_plan` for any plan.

Each is the same graph: a plan, its shards side by side, and a report.
"""

from collections.abc import Callable, Iterator
from typing import Any

from dagster import (
    Config,
    DynamicOut,
    DynamicOutput,
    Failure,
    JobDefinition,
    OpDefinition,
    OpExecutionContext,
    Out,
    Output,
    graph,
    op,
)
from pydantic import Field

from s3pipelines.assets.failures import RETRIES, clear_failures
from s3pipelines.core.batch.actions import ACTIONS
from s3pipelines.core.batch.applications import current_application, open_application
from s3pipelines.core.batch.planning import make_plan
from s3pipelines.core.batch.plans import Plan, read_plan
from s3pipelines.core.batch.report import Report, report_on
from s3pipelines.core.batch.shards import run_shard
from s3pipelines.core.batch.undoing import make_undo_plan
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.preview.wording import counted
from s3pipelines.jobs.batch_config import config_of, request_of
from s3pipelines.jobs.batch_metadata import plan_metadata, report_metadata
from s3pipelines.resources.catalog import CatalogResource

_OUTS = {"plan": Out(str), "shards": DynamicOut(is_required=False)}
# Names of the jobs, and whether each applies its plan unless its config says otherwise: what takes
# something away, or writes over it, is reviewed first.
_JOBS = {
    "copy_objects": ("copy", True),
    "move_objects": ("move", False),
    "delete_objects": ("delete", False),
    "tag_objects": ("tag", False),
    "change_storage_class": ("storage-class", False),
    "change_metadata": ("metadata", False),
    "restore_objects": ("restore", True),
    "convert_images": ("convert", False),
}
Outputs = Iterator[Output[str] | DynamicOutput[dict[str, Any]]]


class ApplyPlan(Config):
    """Which plan."""

    plan_id: str = Field(description="Id of the plan, as `batch list` or a run shows it.")
    reason: str = Field("", description="Why; what the plan says by default.")


class UndoPlan(ApplyPlan):
    """Which plan is taken back."""

    apply: bool = Field(
        False, description="Carry the reverse plan out at once; otherwise it is made only."
    )


def _outputs(context: OpExecutionContext, catalog: Catalog, plan: Plan, apply: bool) -> Outputs:
    """The plan, and a reference to each of its shards if it is to be applied."""
    yield Output(plan.id, "plan", metadata=plan_metadata(plan))
    if not apply:
        context.log.info("Nothing was changed. To apply it, launch apply_plan with %s.", plan.id)
        return
    opened = open_application(catalog, plan.id, run_id=context.run_id)
    if changed := opened.application.changed:
        context.log.warning("%s changed since the plan was made.", counted(changed, "object"))
    for shard in plan.shards:
        reference = {"plan_id": plan.id, "epoch": opened.application.epoch, "shard": shard.number}
        yield DynamicOutput(reference, f"{shard.number:05d}", "shards")


@op(retry_policy=RETRIES, description="Carry out one slice of the plan; what is done is left.")
def apply_shard(
    context: OpExecutionContext, catalog: CatalogResource, shard: dict[str, Any]
) -> dict[str, int]:
    """Work through a shard, and return how many rows ended how."""
    with clear_failures():
        opened = current_application(catalog.get(), shard["plan_id"], shard["epoch"])
        tally = run_shard(catalog.get(), opened, opened.plan.shards[shard["shard"]])
    context.log.info("%d done, %d skipped, %d failed", tally.done, tally.skipped, tally.failed)
    return {"done": tally.done, "skipped": tally.skipped, "failed": tally.failed}


@op(description="Sum up what became of the plan.")
def report_plan(
    context: OpExecutionContext, catalog: CatalogResource, plan: str, tallies: list[dict[str, int]]
) -> None:
    """The report as metadata; a failure if some objects failed."""
    if not tallies:
        return
    with clear_failures():
        report = report_on(catalog.get(), plan)
    if not report.is_complete:
        raise Failure(
            f"{_shortcomings(report)}; the others are done. Launch apply_plan with {plan} to try "
            "these again.",
            metadata=report_metadata(report),
            allow_retries=False,
        )
    context.add_output_metadata(report_metadata(report))


def _shortcomings(report: Report) -> str:
    parts = [f"{counted(report.failed, 'object')} failed"] if report.failed else []
    if report.left:
        parts.append(f"{counted(report.left, 'object')} without an outcome")
    return ", ".join(parts)


def _planning_op(name: str, action_name: str, apply: bool) -> OpDefinition:
    action = ACTIONS[action_name]
    config_type = config_of(action, apply=apply)

    @op(name=f"plan_{name}", out=_OUTS, description=f"Plan it, and open the plan. {action.summary}")
    def plan_op(context: OpExecutionContext, config: config_type, catalog: CatalogResource):  # pyright: ignore[reportInvalidTypeForm]
        with clear_failures():
            request = request_of(action, config)
            plan = make_plan(catalog.get(), request, context.log.info)
            yield from _outputs(context, catalog.get(), plan, config.apply)

    return plan_op


@op(out=_OUTS, description="Open a plan that was made before.")
def open_plan(context: OpExecutionContext, config: ApplyPlan, catalog: CatalogResource):
    """Open the plan of the config."""
    with clear_failures():
        plan = read_plan(catalog.get(), config.plan_id)
        yield from _outputs(context, catalog.get(), plan, apply=True)


@op(out=_OUTS, description="Make the plan that takes another one back.")
def plan_undo(context: OpExecutionContext, config: UndoPlan, catalog: CatalogResource):
    """Make the reverse plan, and open it if the config says so."""
    with clear_failures():
        plan = make_undo_plan(catalog.get(), config.plan_id, reason=config.reason)
        yield from _outputs(context, catalog.get(), plan, config.apply)


def _job(name: str, first: Callable[..., Any], description: str) -> JobDefinition:
    @graph(name=name, description=description)
    def whole() -> None:
        plan, shards = first()
        report_plan(plan, shards.map(apply_shard).collect())

    return whole.to_job(name=name, description=description)


def _batch_jobs() -> Iterator[JobDefinition]:
    for name, (action, apply) in _JOBS.items():
        default = "Applied at once" if apply else "Makes a plan only"
        description = f"{ACTIONS[action].summary} {default} unless `apply` says otherwise."
        yield _job(name, _planning_op(name, action, apply), description)


batch_jobs = list(_batch_jobs())
apply_plan = _job("apply_plan", open_plan, "Carry out a plan; what is done already is left.")
undo_plan = _job(
    "undo_plan", plan_undo, "Take back what a plan did. Makes the reverse plan only unless `apply`."
)
