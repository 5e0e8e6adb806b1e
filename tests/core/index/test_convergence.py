"""Events, listings, or both, in whatever order, twice or late: they lead to the same index."""

import random
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.detection import slices
from s3pipelines.core.detection.looks import look
from s3pipelines.core.detection.passes import Passes
from s3pipelines.core.index import answers, spool, upkeep
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources import registry
from s3pipelines.core.sources.registry import create_source, list_sources
from s3pipelines.core.storage.locations import FolderLocation
from tests.core.index.hinting import asking, hint, indexed
from tests.core.index.rows import NOON, Listed, pages_of, parts_of
from tests.examples import examples

Change = tuple[str, str]
Way = Literal["events", "slices", "listings", "all"]

changes = st.lists(
    st.tuples(
        st.sampled_from(["a", "b/ü", "c d"]),
        st.sampled_from(["put e1", "put e2", "delete", "archive", "restore"]),
    ),
    max_size=4,
)


class Bucket:
    """A bucket that changes, and the keys of the events that it sent."""

    def __init__(self) -> None:
        self.objects: dict[str, Listed] = {}
        self.events: list[str] = []
        self._changes = 0

    def change(self, key: str, action: str) -> None:
        self._changes += 1
        at = NOON - timedelta(days=1) + timedelta(seconds=self._changes // 3)
        state = self.objects.get(key)
        if action == "delete":
            self.objects.pop(key, None)
        elif action.startswith("put"):
            self.objects[key] = Listed(etag=action.split()[1], last_modified=at)
        elif state is not None:
            kept = "GLACIER" if action == "archive" else "STANDARD"
            self.objects[key] = Listed(state.etag, state.size_bytes, state.last_modified, kept)
        self.events.append(key)

    def deliver(self, chance: random.Random, *, everything: bool = False) -> list[str]:
        """Some of the events, shuffled and some of them twice; the others come later."""
        chance.shuffle(self.events)
        count = len(self.events) if everything else chance.randint(0, len(self.events))
        delivered, self.events = self.events[:count], self.events[count:]
        return delivered + [key for key in delivered if chance.random() < 0.3]


@examples(20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    history=st.lists(changes, min_size=1, max_size=4),
    way=st.sampled_from(["events", "slices", "listings", "all"]),
    small_bytes=st.sampled_from([0, upkeep.SMALL_BYTES]),
    chance=st.randoms(use_true_random=False),
)
def test_every_way_to_notice_changes_leads_to_what_the_bucket_holds(
    history: list[list[Change]],
    way: Way,
    small_bytes: int,
    chance: random.Random,
    monkeypatch: pytest.MonkeyPatch,
):
    bucket = Bucket()
    monkeypatch.setattr(upkeep, "SMALL_BYTES", small_bytes)
    monkeypatch.setattr(upkeep, "_FOLD_LEAST_ROWS", 3)
    monkeypatch.setattr(answers, "ask_many", asking(lambda: bucket.objects))
    monkeypatch.setattr(spool, "list_parts", lambda *_, **__: parts_of(bucket.objects))
    monkeypatch.setattr(registry, "_require_usable", lambda *_: None)
    monkeypatch.setattr(
        slices,
        "list_pages",
        lambda *_, start_after="", **__: pages_of(
            {key: state for key, state in bucket.objects.items() if key > start_after}
        ),
    )
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(FolderLocation(Path(folder)))
        create_source(catalog, "all", "s3://anywhere", endpoint_url="http://127.0.0.1:9")
        refresh_index(catalog, "all")
        for some in history:
            for key, action in some:
                bucket.change(key, action)
            _notice(catalog, bucket, way, chance, last=False)
        _notice(catalog, bucket, way, chance, last=True)

        assert indexed(catalog, "all") == bucket.objects


def _notice(
    catalog: Catalog, bucket: Bucket, way: Way, chance: random.Random, *, last: bool
) -> None:
    if way in ("events", "all") and (keys := bucket.deliver(chance, everything=last)):
        hint(catalog, "all", *keys)
    if way == "slices" or (way == "all" and chance.random() < 0.3):
        look(catalog, list_sources(catalog), Passes(), 5)
    if way == "listings" or (way == "all" and chance.random() < 0.3):
        refresh_index(catalog, "all")
    elif last or chance.random() < 0.6:
        apply_changes(catalog, "all")
