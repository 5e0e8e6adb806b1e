"""The guide to operating says what works."""

import json
import re
from pathlib import Path

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.sql.session import open_session
from s3pipelines.settings import Settings

GUIDE = (Path(__file__).parents[2] / "docs" / "operating.md").read_text(encoding="utf-8")
[QUERIES] = re.findall(r"```sql\n(.*?)```", GUIDE, flags=re.DOTALL)
STATEMENTS = [
    re.sub(r"^--.*\n", "", statement.strip(), flags=re.MULTILINE)
    for statement in QUERIES.split(";")
    if statement.strip()
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_its_queries_run(local_catalog: Catalog, statement: str):
    with open_session(local_catalog) as session:
        assert session.run(statement).read_all().num_rows == 0


def test_its_policies_are_json():
    policies = re.findall(r"```json\n(.*?)```", GUIDE, flags=re.DOTALL)

    assert len([json.loads(policy) for policy in policies]) == 2


def test_the_settings_that_it_names_exist():
    names = re.findall(r"`(?:S3PIPELINES_)?([A-Z]+(?:_[A-Z]+)+)`", GUIDE)

    assert {name.lower() for name in names} - set(Settings.model_fields) == set()
