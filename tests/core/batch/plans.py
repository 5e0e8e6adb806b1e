"""Making plans in tests, and taking them back."""

import pytest

from s3pipelines.core.batch.actions import ACTIONS
from s3pipelines.core.batch.applying import apply_plan
from s3pipelines.core.batch.planning import Request, make_plan
from s3pipelines.core.batch.plans import Plan
from s3pipelines.core.batch.report import Report
from s3pipelines.core.batch.undoing import make_undo_plan
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.sql.selection import Selection

in_both_kinds_of_buckets = pytest.mark.parametrize(
    "versions", [False, True], ids=["plain", "versioned"], indirect=True
)
in_buckets_with_versions = pytest.mark.parametrize(
    "versions", [True], ids=["versioned"], indirect=True
)


def plan(catalog: Catalog, action: str, selection: Selection | None = None, **params) -> Plan:
    kind = ACTIONS[action]
    made = kind(kind.params_type(**params))
    return make_plan(catalog, Request("maps", made, selection or Selection(), "for a test"))


def undo(catalog: Catalog, made: Plan) -> Report:
    return apply_plan(catalog, make_undo_plan(catalog, made.id).id)
