"""A plan of all objects of a source, made and applied in one process."""

import time
from typing import Any

from s3pipelines.core.batch.actions import ACTIONS
from s3pipelines.core.batch.applying import apply_plan
from s3pipelines.core.batch.planning import Request, make_plan
from s3pipelines.core.batch.report import Report
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.storage.locations import parse_location

_FIRST = "(SELECT min(key) FROM objects)"


def apply_batch(catalog: str, action: str, target: str) -> dict[str, Any]:
    """Plan and apply: one object, in buckets that nothing is known of, and then all the others.

    `first_s` and `apply_s` are from opening the plan to its report.
    """
    place = Catalog(parse_location(catalog))
    first_s, _ = _applied(place, _planned(place, action, target, f"key = {_FIRST}"))
    began = time.perf_counter()
    plan_id = _planned(place, action, target, f"key <> {_FIRST}")
    planned = time.perf_counter()
    apply_s, report = _applied(place, plan_id)
    return {
        "done": report.done,
        "preconditions": report.preconditions,
        "first_s": first_s,
        "plan_s": planned - began,
        "apply_s": apply_s,
    }


def _planned(catalog: Catalog, action: str, target: str, where: str) -> str:
    kind = ACTIONS[action]
    told = {"permanent": True} if action == "delete" else {"to": f"s3://{target}"}
    made = kind(kind.params_type.model_validate(told))
    return make_plan(catalog, Request("originals", made, Selection(where=where))).id


def _applied(catalog: Catalog, plan_id: str) -> tuple[float, Report]:
    began = time.perf_counter()
    report = apply_plan(catalog, plan_id)
    return time.perf_counter() - began, report


def plan_copies(catalog: str, source_id: str, target: str) -> dict[str, Any]:
    """Plan a copy of each object of a source."""
    kind = ACTIONS["copy"]
    told = {"to": f"s3://{target}", "template": "{parent}{stem}.{ext}"}
    action = kind(kind.params_type.model_validate(told))
    plan = make_plan(Catalog(parse_location(catalog)), Request(source_id, action))
    return {"objects": plan.summary.objects, "shards": len(plan.shards)}
