"""Objects that have to rest before they are taken in."""

import time
from datetime import UTC, datetime

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.views import index_now
from s3pipelines.core.detection.ledger import append_hints, new_row
from s3pipelines.core.detection.pending import read_pending
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source

SETTLE_S = 3


@pytest.mark.slow
def test_a_hint_about_an_object_that_a_listing_left_to_rest_is_not_answered_by_it(
    local_catalog: Catalog, bucket, put_objects
):
    put_objects("old")
    source = create_source(local_catalog, "maps", f"s3://{bucket}", settle_s=SETTLE_S)
    time.sleep(SETTLE_S + 1)
    refresh_index(local_catalog, "maps")
    put_objects("new")
    at = datetime.now(UTC)
    hint = new_row("maps", "new", "hinted", id="1", observed_at=at, observed_by="event")
    append_hints(local_catalog, [(source, [hint])], at)

    assert refresh_index(local_catalog, "maps").waiting == 1

    pending = read_pending(local_catalog, source)
    assert pending is not None
    assert pending.waiting == 1
    time.sleep(SETTLE_S + 1)
    apply_changes(local_catalog, "maps")
    with connect(local_catalog, delta=True) as connection:
        rows = connection.execute(f"SELECT key FROM ({index_now(local_catalog)})").fetchall()
    assert sorted(rows) == [("new",), ("old",)]
