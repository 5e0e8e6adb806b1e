"""What the index must hold, read from S3 itself object by object: the demo's own proof."""

import time
from collections.abc import Callable

from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.views import index_now
from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.core.preview.wording import counted
from s3pipelines.core.sources.registry import list_sources
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.clients import s3_client
from s3pipelines.demo.stage import Stage

State = dict[tuple[str, str], str]


class NotAllThere(S3PipelinesError):
    """The index did not become what it must be in time."""


def on_s3(stage: Stage) -> State:
    """ETag by source and key, by the plain S3 API."""
    client = s3_client(Access())
    found: State = {}
    for source in list_sources(stage.context.catalog):
        pages = client.get_paginator("list_objects_v2").paginate(
            Bucket=source.bucket, Prefix=source.prefix
        )
        for entry in (entry for page in pages for entry in page.get("Contents", [])):
            if not entry["Key"].endswith("/"):
                found[source.id, entry["Key"]] = entry["ETag"].strip('"')
    return found


def in_index(stage: Stage) -> State:
    """ETag by source and key, by the index."""
    catalog = stage.context.catalog
    with connect(catalog, delta=True) as connection:
        query = f"SELECT source, key, etag FROM ({index_now(catalog)})"
        return {(source, key): etag for source, key, etag in connection.execute(query).fetchall()}


def wait_until_indexed(stage: Stage, timeout_s: float, check: Callable[[], object]) -> None:
    """Wait until the index holds exactly what S3 has.

    Args:
        stage: The running demo.
        timeout_s: How long to wait, in seconds.
        check: Called again and again; raises if a service has died.

    Raises:
        NotAllThere: It does not, after that time.
    """
    deadline = time.monotonic() + timeout_s
    wanted = on_s3(stage)
    while (found := in_index(stage)) != wanted:
        check()
        if time.monotonic() > deadline:
            missing, extra = wanted.items() - found.items(), found.items() - wanted.items()
            raise NotAllThere(
                f"After {timeout_s:.0f} s the index lacks {counted(len(missing), 'object')} and "
                f"has {len(extra)} that are not on S3.",
                hint=f"See the logs in {stage.folder}.",
            )
        time.sleep(0.5)
