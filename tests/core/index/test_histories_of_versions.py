"""Whatever happens to a bucket with versions, and to the option, the index has the right ids."""

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import CHANGES
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.index import answers, commit, spool, upkeep
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources import registry
from s3pipelines.core.sources.registry import create_source, update_source
from s3pipelines.core.storage.listing.asking import ask_page
from s3pipelines.core.storage.locations import FolderLocation
from tests.core.index.hinting import asking, hint, indexed
from tests.core.index.rows import Listed, parts_of
from tests.examples import examples

states = st.builds(
    Listed,
    etag=st.sampled_from(["e1", "e2"]),
    version_id=st.sampled_from(["v1", "v2", None]),
    storage_class=st.sampled_from(["STANDARD", "GLACIER"]),
)
buckets = st.dictionaries(st.sampled_from(["a", "b/ü", "c d", "e"]), states, max_size=4)


@examples(20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    history=st.lists(
        st.tuples(buckets, st.booleans(), st.sets(st.sampled_from("ae"))), min_size=1, max_size=4
    ),
    small_bytes=st.sampled_from([0, upkeep.SMALL_BYTES]),
    share=st.sampled_from([0.0, 1e9]),
)
def test_after_each_listing_the_index_has_the_ids_that_it_tells(
    history: list[tuple[dict[str, Listed], bool, set[str]]],
    small_bytes: int,
    share: float,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(upkeep, "SMALL_BYTES", small_bytes)
    monkeypatch.setattr(commit, "MERGE_UP_TO", share)
    monkeypatch.setattr(spool, "asking", lambda *_, **__: ask_page)
    monkeypatch.setattr(registry, "_require_usable", lambda *_: None)
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(FolderLocation(Path(folder)))
        create_source(catalog, "all", "s3://anywhere", endpoint_url="http://127.0.0.1:9")
        for bucket, versions, hinted in history:
            update_source(catalog, "all", "as it is wanted", versions=versions)
            monkeypatch.setattr(answers, "ask_many", asking(lambda now=bucket: now))
            monkeypatch.setattr(
                spool,
                "list_parts",
                lambda *_, now=bucket, told=versions, **__: parts_of(now, versions=told),
            )
            if hinted:
                hint(catalog, "all", *hinted)
                apply_changes(catalog, "all")
            refresh_index(catalog, "all")

            found = indexed(catalog, "all")
            for key, state in found.items():
                if not versions:
                    assert state.version_id is None
                elif bucket[key].version_id is not None:
                    assert state.version_id == bucket[key].version_id
            assert {k: replace(s, version_id=None) for k, s in found.items()} == {
                k: replace(s, version_id=None) for k, s in bucket.items()
            }
            version = open_table(catalog, CHANGES).version()
            assert refresh_index(catalog, "all").wrote == "nothing"
            assert open_table(catalog, CHANGES).version() == version
