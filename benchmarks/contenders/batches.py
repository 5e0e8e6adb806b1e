"""A plan of all objects of a source, made and applied in one process."""

import time
from typing import Any

from s3pipelines.core.batch.actions import ACTIONS
from s3pipelines.core.batch.applying import apply_plan
from s3pipelines.core.batch.planning import Request, make_plan
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.storage.locations import parse_location


def apply_batch(catalog: str, action: str, target: str) -> dict[str, Any]:
    """Plan and apply; `apply_s` is from opening the plan to its report."""
    place, kind = Catalog(parse_location(catalog)), ACTIONS[action]
    told = {"permanent": True} if action == "delete" else {"to": f"s3://{target}"}
    began = time.perf_counter()
    plan = make_plan(place, Request("originals", kind(kind.params_type.model_validate(told))))
    planned = time.perf_counter()
    report = apply_plan(place, plan.id)
    return {
        "done": report.done,
        "preconditions": report.preconditions,
        "plan_s": planned - began,
        "apply_s": time.perf_counter() - planned,
    }


def plan_copies(catalog: str, source_id: str, target: str) -> dict[str, Any]:
    """Plan a copy of each object of a source."""
    kind = ACTIONS["copy"]
    told = {"to": f"s3://{target}", "template": "{parent}{stem}.{ext}"}
    action = kind(kind.params_type.model_validate(told))
    plan = make_plan(Catalog(parse_location(catalog)), Request(source_id, action))
    return {"objects": plan.summary.objects, "shards": len(plan.shards)}
