"""Whatever happens to a bucket, and whichever way it is written, the index follows it exactly."""

import tempfile
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import strategies as st

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.index import commit, spool, upkeep
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources import registry
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.storage.locations import FolderLocation
from tests.core.index.hinting import indexed
from tests.core.index.rows import NOON, Listed, parts_of
from tests.examples import examples

# Any text that UTF-8 can encode, control characters, quotes and newlines among it.
keys = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=20
).filter(lambda key: not key.endswith(("/", "_$folder$")))
states = st.builds(
    Listed,
    etag=st.sampled_from(["e1", "e2"]),
    size_bytes=st.integers(0, 3),
    last_modified=st.sampled_from([NOON, NOON - timedelta(days=1)]),
    storage_class=st.sampled_from(["STANDARD", "GLACIER"]),
)
FAR = "\U00020000"
buckets = st.dictionaries(keys, states, max_size=8)


@examples(15, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(history=st.lists(buckets, min_size=1, max_size=4), share=st.sampled_from([0.0, 1e9]))
# A letter whose escape in the statistics of a file was read as another one.
@example(history=[{FAR: Listed()}, {FAR: Listed(etag="e2")}], share=1e9)
@example(history=[{FAR: Listed()}, {}], share=1e9)
def test_after_each_refresh_the_index_equals_the_bucket(
    history: list[dict[str, Listed]], share: float, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(commit, "MERGE_UP_TO", share)
    monkeypatch.setattr(upkeep, "SMALL_BYTES", 0)
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(FolderLocation(Path(folder)))
        monkeypatch.setattr(registry, "_require_usable", lambda *_: None)
        create_source(catalog, "all", "s3://anywhere", endpoint_url="http://127.0.0.1:9")
        for bucket in history:
            monkeypatch.setattr(
                spool, "list_parts", lambda *_, now=bucket, **__: parts_of(now, page_size=3)
            )
            done = refresh_index(catalog, "all")
            assert indexed(catalog, "all") == bucket
            assert done.rows == len(bucket)
