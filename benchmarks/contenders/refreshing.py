"""Registering and refreshing a source."""

import time
from typing import Any

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.index.refresh import refresh_index
from s3pipelines.core.sources.registry import create_source
from s3pipelines.core.storage.locations import parse_location


def register(catalog: str, source_id: str, s3_path: str) -> dict[str, Any]:
    create_source(Catalog(parse_location(catalog)), source_id, s3_path)
    return {}


def refresh(catalog: str, source_id: str) -> dict[str, Any]:
    """One refresh; `list_s` is the time until the whole listing is on disk."""
    steps: list[float] = []
    done = refresh_index(
        Catalog(parse_location(catalog)), source_id, say=lambda _: steps.append(time.perf_counter())
    )
    ended = time.perf_counter()
    listing, comparing = steps
    return {
        "wrote": done.wrote,
        "rows": done.rows,
        "changed": done.changed,
        "list_s": comparing - listing,
        "index_s": ended - comparing,
    }
