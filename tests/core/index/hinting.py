"""Hints for the ledger without a queue, and what a source's ledger and index say afterwards."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.detection.ledger import append_hints, new_row
from s3pipelines.core.index import answers
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sql.session import open_session
from s3pipelines.core.storage.heads import Asked, Present, ask_many
from tests.core.index.rows import NOON, Listed


def hint(
    catalog: Catalog, source_id: str, *keys: str, event: str = "ObjectCreated:Put", **columns: Any
) -> None:
    """Write a hint about each key into the ledger, as an event would."""
    at = datetime.now(UTC)
    common = {"observed_at": at, "observed_by": "event", "event": event} | columns
    rows = [new_row(source_id, key, "hinted", **{"id": uuid.uuid4().hex, **common}) for key in keys]
    append_hints(catalog, [(get_source(catalog, source_id), rows)], at)


def ledger(catalog: Catalog, source_id: str) -> list[dict[str, Any]]:
    """The answers in the ledger, by the time and the key."""
    query = (
        f"SELECT * FROM changes WHERE source = '{source_id}' AND kind <> 'hinted' "
        "ORDER BY observed_at, key"
    )
    with open_session(catalog) as session:
        return session.run(query).read_all().to_pylist()


def kinds(catalog: Catalog, source_id: str) -> list[tuple[str, str]]:
    """Key and kind of each answer in the ledger, by the time and the key."""
    return [(row["key"], row["kind"]) for row in ledger(catalog, source_id)]


def indexed(catalog: Catalog, source_id: str) -> dict[str, Listed]:
    """What the index says, as whoever reads it sees it."""
    with connect(catalog) as connection:
        create_source_views(connection, catalog, source_id, OBJECTS)
        columns = "key, etag, size_bytes, last_modified, storage_class, version_id"
        rows = connection.execute(f"SELECT {columns} FROM objects").fetchall()
    found = {key: Listed(*state) for key, *state in rows}
    assert len(found) == len(rows), "no key is there twice"
    return found


def asking(bucket: Callable[[], dict[str, Listed]]) -> Callable[..., Iterator[Asked]]:
    """`ask_many` of a bucket that is a dictionary."""

    def ask_many(_access: object, _bucket: str, keys: Iterable[str]) -> Iterator[Asked]:
        for key in keys:
            state = bucket().get(key)
            yield Asked(key, None if state is None else _present(key, state))

    return ask_many


def _present(key: str, state: Listed) -> Present:
    return Present(
        key=key,
        size_bytes=state.size_bytes,
        etag=state.etag,
        last_modified=state.last_modified,
        storage_class=state.storage_class,
        version_id=state.version_id,
        restored_until=None,
        server_time=NOON,
    )


def answer_with(monkeypatch: pytest.MonkeyPatch, change: Callable[[Asked], Asked]) -> None:
    """Let what S3 says pass through a function."""

    def changed(*arguments, **options) -> Iterator[Asked]:
        yield from map(change, ask_many(*arguments, **options))

    monkeypatch.setattr(answers, "ask_many", changed)
