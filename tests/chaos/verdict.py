"""What must hold after the storm: nothing lost but what S3 lost, and nothing applied twice."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.schemas import CHANGES
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.catalog.views import index_now
from s3pipelines.core.detection.folding import OPEN_KEYS
from s3pipelines.core.detection.ledger import load_observations
from s3pipelines.core.storage.locations import FolderLocation
from tests.chaos.client import Server
from tests.chaos.driver import BUCKET, DUPLICATES, LOST, SOURCE, WINDOW, Plan
from tests.chaos.history import history, messages

State = tuple[int, str, int]


@dataclass(frozen=True)
class Ledger:
    """What the ledger came to.

    Attributes:
        kinds: Rows by kind.
        open_keys: Keys with a hint that nobody has answered.
        changes: Of each key its changes in order: version of the ledger, kind, state.
    """

    kinds: dict[str, int]
    open_keys: list[str]
    changes: dict[str, list[tuple[int, str, tuple[Any, ...]]]]


def wrong_keys(server: Server, catalog: Catalog) -> set[str]:
    """Keys of which the index says something else than the bucket."""
    truth: dict[str, State] = {
        key: (row["size"], row["etag"], row["last_modified"])
        for key, row in server.objects(BUCKET).items()
    }
    with connect(catalog, delta=True) as connection:
        found = connection.execute(
            "SELECT key, size_bytes, etag, epoch(last_modified)::BIGINT, source "
            f"FROM ({index_now(catalog)})"
        ).fetchall()
    indexed: dict[str, State] = {key: (size, etag, at) for key, size, etag, at, _ in found}
    assert len(indexed) == len(found), "A key is in the index twice."
    return {key for key in truth.keys() | indexed.keys() if truth.get(key) != indexed.get(key)}


def keys_whose_end_was_lost(plan: Plan) -> set[str]:
    """Keys of whose last event nobody was told."""
    told = messages(plan.seed, plan.events, duplicates=DUPLICATES, lost=LOST, window=WINDOW)
    heard = {number for window in told for message in window for number in message}
    last = {event.key: event.number for event in history(plan.seed, plan.events, plan.keys)}
    return {key for key, number in last.items() if number not in heard}


def applied_positions(catalog: Catalog) -> list[int]:
    """Versions of the ledger that commits of the index say they have applied, in time order."""
    return [
        transactions[f"ledger/{SOURCE}"]
        for _, transactions in sorted(_commits(catalog), key=lambda one: one[0])
        # A merge of the tail repeats what the tail had applied.
        if f"ledger/{SOURCE}" in transactions and f"tail/{SOURCE}" not in transactions
    ]


def read_ledger(catalog: Catalog, listed_up_to: int) -> Ledger:
    """Everything that the ledger has of the source; a listing answers hints up to that version."""
    with connect(catalog, delta=True) as connection:
        load_observations(connection, catalog, open_table(catalog, CHANGES), SOURCE, 0)
        kinds = connection.execute(
            "SELECT kind, count(*) FROM observations GROUP BY kind ORDER BY kind"
        ).fetchall()
        parameters = {"answered_up_to": listed_up_to, "now": datetime(1970, 1, 1, tzinfo=UTC)}
        unanswered = connection.execute(f"SELECT key FROM ({OPEN_KEYS})", parameters).fetchall()
        rows = connection.execute(
            "SELECT key, commit_version, kind, [etag, size_bytes::VARCHAR, last_modified::VARCHAR] "
            "FROM observations WHERE kind IN ('created', 'overwritten', 'transitioned', 'deleted') "
            "ORDER BY key, commit_version"
        ).fetchall()
    changes: dict[str, list[tuple[int, str, tuple[Any, ...]]]] = {}
    for key, version, kind, state in rows:
        changes.setdefault(key, []).append((version, kind, tuple(state)))
    return Ledger(dict(kinds), [key for (key,) in unanswered], changes)


def nonsense(ledger: Ledger, applied: int) -> list[str]:
    """Changes up to the version `applied` that cannot follow those before them."""
    found = []
    for key, changes in ledger.changes.items():
        present, state = False, None
        for version, kind, new_state in changes:
            if version > applied:
                continue
            fits = present != (kind == "created") and (kind == "deleted" or new_state != state)
            if not fits:
                found.append(f"{key!r}: {[(v, k) for v, k, _ in changes]} at {version}")
            present = kind != "deleted"
            state = new_state if present else None
    return found


def _commits(catalog: Catalog) -> Iterator[tuple[int, dict[str, int]]]:
    location = catalog.location
    assert isinstance(location, FolderLocation)
    tables = Path(location.path, "tables")
    for table in ("objects", "objects_tail"):
        for path in tables.joinpath(table, "_delta_log").glob("*.json"):
            actions = [json.loads(line) for line in path.read_text().splitlines()]
            marks = [action["txn"] for action in actions if "txn" in action]
            yield path.stat().st_mtime_ns, {mark["appId"]: mark["version"] for mark in marks}
