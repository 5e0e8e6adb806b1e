# pyright: standard
# pyarrow ships no types.
"""How large a source is, before it was ever indexed: a bounded look at its listing."""

from dataclasses import dataclass

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.sources.scope import Scope
from s3pipelines.core.sources.source import Source
from s3pipelines.core.storage.listing.serial import list_pages

_MOST_PAGES = 20


@dataclass(frozen=True)
class Size:
    """Objects and bytes; `complete` is false where only the beginning was listed."""

    objects: int
    size_bytes: int
    complete: bool


def size_of(catalog: Catalog, source: Source) -> Size:
    """Count the first 20,000 objects of a source.

    Raises:
        StorageError: The source cannot be listed.
    """
    scope = Scope(source)
    objects = size_bytes = 0
    pages = list_pages(source.access(catalog.access), source.location)
    for number, page in enumerate(pages, start=1):
        belonging = scope.of(page)
        objects += belonging.num_rows
        size_bytes += sum(belonging.column("size_bytes").to_pylist())
        if number == _MOST_PAGES:
            return Size(objects, size_bytes, complete=page.is_last)
    return Size(objects, size_bytes, complete=True)
