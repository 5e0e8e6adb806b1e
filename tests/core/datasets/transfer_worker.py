"""A process that transfers, audits or reads tags, in small steps: many moments to kill it."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from s3pipelines.core.catalog import gathering
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.datasets import downloading, registering, uploading
from s3pipelines.core.datasets.direct.uploading import upload_direct
from s3pipelines.core.fixity import auditing, bagging
from s3pipelines.core.index.apply import apply_changes
from s3pipelines.core.storage.locations import parse_location
from s3pipelines.core.tags import refreshing

PART, RANGE = 5 * 1024 * 1024, 64 * 1024
gathering._COMMIT_ROWS = 10  # pyright: ignore[reportPrivateUsage]
refreshing._COMMIT_OBJECTS = 10  # pyright: ignore[reportPrivateUsage]


def register(catalog: Catalog, folder: str) -> bool:
    done = registering.register(
        catalog, registering.Wanted("maps", [f"{folder}/."], part_bytes=PART)
    )
    apply_changes(catalog, "maps")
    return not done.failed


def upload(catalog: Catalog, folder: str, to: str) -> bool:
    wanted = uploading.Upload(to, [f"{folder}/."], part_bytes=PART)
    return not uploading.upload(catalog, wanted).failed


def direct(_: Catalog, ticket: str, file: str) -> bool:
    return all(one.outcome != "failed" for one in upload_direct(Path(ticket), [file]))


def download(catalog: Catalog, folder: str) -> bool:
    wanted = downloading.Wanted("maps", Path(folder), range_bytes=RANGE)
    return not downloading.download(catalog, wanted).failed


def audit(catalog: Catalog) -> bool:
    return not auditing.audit(catalog, auditing.Wanted("maps", range_bytes=RANGE)).failing


def bag(catalog: Catalog, folder: str) -> bool:
    wanted = bagging.Wanted("maps", Path(folder), range_bytes=RANGE)
    return bagging.export_bag(catalog, wanted).is_complete


def tags(catalog: Catalog) -> bool:
    return not refreshing.refresh_tags(catalog, "maps").failed


_WORKS: dict[str, Callable[..., bool]] = {
    work.__name__: work for work in (register, upload, direct, download, audit, bag, tags)
}

if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    place = Catalog(parse_location(os.environ["TRANSFER_CATALOG"]))
    sys.exit(0 if _WORKS[name](place, *arguments) else 3)
