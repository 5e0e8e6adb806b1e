"""The registry from several sides at once."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import S3PipelinesError
from tests.core.index.rows import index_keys


def document_of(catalog: Catalog, source_id: str) -> dict[str, Any]:
    return json.loads(catalog.documents.read(f"sources/{source_id}.json").body)


def indexed(catalog: Catalog, source_id: str) -> int:
    return len(index_keys(catalog, source_id))


def separately(catalog: Catalog) -> Catalog:
    """The same catalog, as another process has it."""
    return replace(catalog)


def at_once(actions: list[Callable[[], object]]) -> list[object]:
    barrier = threading.Barrier(len(actions))

    def run(action: Callable[[], object]) -> object:
        barrier.wait()
        try:
            return action()
        except S3PipelinesError as error:
            return error

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))
