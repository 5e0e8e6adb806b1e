"""What takes events in: from a queue into the ledger, and from there into the index."""

import time
from pathlib import Path
from typing import Any

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.schemas import CHANGES
from s3pipelines.core.catalog.tables import open_table
from s3pipelines.core.detection.mailboxes import collect
from s3pipelines.core.detection.pending import read_pending
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.sources.registry import get_source, list_sources
from s3pipelines.core.storage.locations import parse_location

# As the sensor has it for one tick.
_BUDGET_S = 10


def drain_queue(catalog: str, queue_url: str) -> dict[str, Any]:
    """Empty the queue into the ledger, and leave the index alone."""
    home = Catalog(parse_location(catalog))
    started, hints, messages = time.perf_counter(), 0, 0
    while True:
        now = collect(home, queue_url, list_sources(home), _BUDGET_S)
        if now.problems:
            raise AssertionError(now.problems)
        hints += sum(now.hints.values())
        messages += sum(one.messages for one in now.by_mailbox.values())
        if all(one.emptied for one in now.by_mailbox.values()):
            break
    seconds = time.perf_counter() - started
    return {"s": seconds, "hints": hints, "messages": messages, **_ledger_of(home)}


def queue_to_index(catalog: str, queue_url: str, source_id: str) -> dict[str, Any]:
    """Tick after tick, and an update of the index after each, until there is nothing to do."""
    home = Catalog(parse_location(catalog))
    source = get_source(home, source_id)
    started, hints, asked, messages = time.perf_counter(), 0, 0, 0
    while True:
        now = collect(home, queue_url, [source], _BUDGET_S)
        if now.problems:
            raise AssertionError(now.problems)
        hints += sum(now.hints.values())
        messages += sum(one.messages for one in now.by_mailbox.values())
        if read_pending(home, source) is not None:
            asked += apply_changes(home, source_id).applied.asked
        elif all(one.emptied for one in now.by_mailbox.values()):
            break
    seconds = time.perf_counter() - started
    said = {"s": seconds, "hints": hints, "messages": messages, "asked": asked}
    return said | _ledger_of(home)


def _ledger_of(home: Catalog) -> dict[str, int]:
    folder = Path(home.table_uri(CHANGES.name))
    files = [path for path in folder.rglob("*.parquet") if "_delta_log" not in path.parts]
    return {
        "ledger_bytes": sum(path.stat().st_size for path in files),
        "log_bytes": sum(path.stat().st_size for path in (folder / "_delta_log").iterdir()),
        "commits": open_table(home, CHANGES).version(),
    }
