"""Many objects changed by hand in the Dagster UI: planned, reviewed, applied, undone."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from s3pipelines.core.sql.session import open_session
from tests.e2e.conftest import Running, wait_for
from tests.e2e.launchpad import launch, metadata, open_markdown

pytestmark = [pytest.mark.browser, pytest.mark.timeout(900)]

# What stands in a key is shown as it is, and is neither Markdown nor a column.
ODD = "doomed/<b>a|b_c_ *d*</b>.tif"
PLAIN = "doomed/plain.tif"
SPARED = "doomed/spared.jpg"


@pytest.fixture
def page(browser: Browser, running: Running) -> Iterator[Page]:
    """A window on the running project, which has indexed a source of three objects."""
    running.put(ODD, PLAIN, SPARED)
    running.register("doomed", "doomed")
    wait_for(lambda: _indexed(running) == {ODD, PLAIN, SPARED})
    # High: of the events of a run only those exist that are on the screen.
    context = browser.new_context(base_url=running.url, viewport={"width": 1500, "height": 1600})
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def test_a_deletion_is_planned_reviewed_applied_and_undone_by_hand(
    page: Page, running: Running, s3: Any
):
    told = "source: doomed, glob: '*.tif', reason: too old"
    launch(page, "delete_objects", f"ops: {{plan_delete_objects: {{config: {{{told}}}}}}}")

    plan_id = metadata(page, "plan_id")
    assert (metadata(page, "objects"), metadata(page, "size_bytes")) == ("2", "6")
    expect(page.get_by_text(f"launch apply_plan with {plan_id}")).to_be_visible()
    review = open_markdown(page, "review")
    for line in ("delete 2 of 2 objects (6 B) of doomed", "reason: too old", ODD, PLAIN):
        expect(review.get_by_text(line, exact=True)).to_be_visible()
    assert _keys(s3, running.bucket) == {ODD, PLAIN, SPARED}
    assert _outcomes(running) == []

    launch(page, "apply_plan", f"ops: {{open_plan: {{config: {{plan_id: {plan_id}}}}}}}")

    assert (metadata(page, "done"), metadata(page, "failed")) == ("2", "0")
    report = open_markdown(page, "report")
    expect(report.get_by_text("delete of doomed: 2 objects done (6 B)")).to_be_visible()
    kept = {f"kept/doomed/{plan_id}/{key}" for key in (ODD, PLAIN)}
    assert _keys(s3, running.bucket) == {SPARED}
    assert _keys(s3, running.trash_bucket) == kept
    assert _outcomes(running) == [("delete", ODD, "done"), ("delete", PLAIN, "done")]
    wait_for(lambda: _indexed(running) == {SPARED})

    told = f"plan_id: {plan_id}, apply: true"
    launch(page, "undo_plan", f"ops: {{plan_undo: {{config: {{{told}}}}}}}")

    assert metadata(page, "plan_id") != plan_id
    report = open_markdown(page, "report")
    expect(report.get_by_text("undo of doomed: 2 objects done (6 B)")).to_be_visible()
    assert _keys(s3, running.bucket) == {ODD, PLAIN, SPARED}
    assert s3.get_object(Bucket=running.bucket, Key=ODD)["Body"].read() == b"123"
    assert _keys(s3, running.trash_bucket) == set()
    assert _outcomes(running)[2:] == [("undo", ODD, "done"), ("undo", PLAIN, "done")]
    wait_for(lambda: _indexed(running) == {ODD, PLAIN, SPARED})


def _keys(s3: Any, bucket: str) -> set[str]:
    """Keys of the source, or all keys of the trash."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = {entry["Key"] for page in pages for entry in page.get("Contents", [])}
    return {key for key in keys if "doomed/" in key}


def _outcomes(running: Running) -> list[tuple[str, ...]]:
    """Action, key and outcome of each row of `operations`, in their order."""
    return _rows(running, "SELECT action, key, outcome FROM operations", "plan_id, number")


def _indexed(running: Running) -> set[str]:
    return {key for (key,) in _rows(running, "SELECT key FROM objects", "key")}


def _rows(running: Running, query: str, order: str) -> list[tuple[str, ...]]:
    with open_session(running.catalog) as session:
        rows = session.run(f"{query} WHERE source = 'doomed' ORDER BY {order}").read_all()
    return [tuple(row.values()) for row in rows.to_pylist()]
