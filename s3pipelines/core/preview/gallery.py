"""The gallery: a source, page by page in the order of its keys, from the tables of the catalog.

A page is found by keys, never by an offset: it costs the same at the beginning and in the middle
of ten million objects, and shows nothing twice when objects come and go between two pages.
"""

import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Self, get_args

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.key_ranges import (
    KeyRange,
    files_by_source,
    prefix_range,
    successor,
    window,
)
from s3pipelines.core.catalog.schemas import DERIVATIVES, IMAGES, OBJECTS, OBJECTS_TAIL
from s3pipelines.core.errors import InvalidInput, NotFound
from s3pipelines.core.imaging.thumbnails import ThumbnailParams
from s3pipelines.core.preview.gallery_rows import Tables, candidates, count_objects, rows_of
from s3pipelines.core.preview.items import GalleryItem, Show, item_of, shows
from s3pipelines.core.preview.page_tokens import key_of_token, token_of_key
from s3pipelines.core.sources.registry import get_source
from s3pipelines.core.sources.source import Source
from s3pipelines.core.sql.failures import RAISED_BY_DUCKDB, statement_error
from s3pipelines.core.storage.locations import S3Location
from s3pipelines.core.storage.options import duckdb_secret

LARGEST_PAGE = 500
# Keys that were candidates once and are no more cost another round; each looks further ahead.
_LOOK_AHEAD_FACTOR = 8
_MOST_CANDIDATES = 10_000
_FROM_START = "Start from the first page of the source."
# Temporary credentials last 15 minutes at least, and botocore renews them before they end.
_CREDENTIALS_FOR_S = 60
_SURROGATES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class PageRequest:
    """Which page of a source is wanted.

    Attributes:
        after: Token: what follows this page. Not together with `before`.
        before: Token: what comes before that page.
        page_size: Most items on it.
        prefix: Only keys that begin so, below the source's own prefix.
        show: `all`; `images`: what has a thumbnail; `pyramids`: what can be zoomed into; `failed`:
            what ought to have a thumbnail, and why not.
    """

    after: str | None = None
    before: str | None = None
    page_size: int = 60
    prefix: str = ""
    show: Show = "all"

    def __post_init__(self) -> None:
        if self.after is not None and self.before is not None:
            raise InvalidInput("A page is after or before another one, not both.", hint=_FROM_START)
        if not 1 <= self.page_size <= LARGEST_PAGE:
            raise InvalidInput(
                f"A page cannot have {self.page_size} items.", hint=f"Use 1 to {LARGEST_PAGE}."
            )
        if _SURROGATES.search(self.prefix):
            raise InvalidInput("The prefix is not valid Unicode.", hint="Write it anew.")
        if self.show not in get_args(Show):
            raise InvalidInput(
                f"There is nothing called {self.show!r} to show.",
                hint="Choose all, images, pyramids or failed.",
            )


@dataclass(frozen=True)
class Page:
    """One page of a source.

    Attributes:
        source: The source, as it is registered now.
        items: In the order of their keys.
        next_token: `after` of the page that follows; None if there is none.
        previous_token: `before` of the page that comes before; None if there is none.
        total: How many objects the source has in the index, whatever the page shows.
    """

    source: Source
    items: tuple[GalleryItem, ...]
    next_token: str | None
    previous_token: str | None
    total: int


@dataclass
class Gallery:
    """Gives pages of the sources of one catalog; may be shared by threads.

    It keeps one DuckDB with its extensions loaded, as loading them takes 160 ms
    on a quiet machine and 700 ms on a busy one. Use it in a `with` block, or close it.
    """

    catalog: Catalog
    _stack: ExitStack = field(default_factory=ExitStack, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)
    _connection: duckdb.DuckDBPyConnection | None = field(default=None, init=False, repr=False)
    _authorized_at: float = field(default=0.0, init=False, repr=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def page(self, source_id: str, request: PageRequest | None = None) -> Page:
        """One page of a source; empty where the index has nothing of it yet.

        Args:
            source_id: A registered source.
            request: Which page; by default the first.

        Raises:
            NotFound: There is no such source.
            InvalidInput: A token is malformed.
            StorageError: The catalog cannot be read.
        """
        request = request or PageRequest()
        source = get_source(self.catalog, source_id)
        keys = _range(source, request)
        tables = self._tables(source_id)
        with self._cursor() as cursor:
            try:
                items = _find(cursor, tables, source, request, keys)
                total = count_objects(cursor, tables)
            except RAISED_BY_DUCKDB as error:
                raise statement_error(error, self.catalog.memory_limit_mb) from error
        return _page(source, request, items, total)

    def item(self, source_id: str, key: str) -> GalleryItem:
        """One object of a source.

        Args:
            source_id: A registered source.
            key: Its full key.

        Raises:
            NotFound: There is no such source, or its index has no such object.
            StorageError: The catalog cannot be read.
        """
        source = get_source(self.catalog, source_id)
        params = ThumbnailParams()
        tables = self._tables(source_id)
        # What is no Unicode can be no key.
        keys = [key] if not _SURROGATES.search(key) else []
        with self._cursor() as cursor:
            try:
                rows = rows_of(cursor, tables, params, keys)
            except RAISED_BY_DUCKDB as error:
                raise statement_error(error, self.catalog.memory_limit_mb) from error
        if not rows:
            raise NotFound(
                f"The index of {source_id!r} has no object {key[:200]!r}.",
                hint="Look for it in the gallery.",
            )
        return item_of(rows[0], source, params)

    def counts(self) -> dict[str, int]:
        """How many objects of each source are in the index; without those that have none.

        Raises:
            StorageError: The catalog cannot be read.
        """
        tails = files_by_source(self.catalog, OBJECTS_TAIL)
        files = files_by_source(self.catalog, OBJECTS)
        with self._cursor() as cursor:
            return {
                source: count_objects(
                    cursor, Tables(files.get(source, []), tails.get(source, []), [], [])
                )
                for source in sorted(files.keys() | tails.keys())
            }

    def close(self) -> None:
        """Let go of the DuckDB; the next page would open another one."""
        with self._lock:
            self._connection = None
            self._stack.close()

    def _tables(self, source_id: str) -> Tables:
        schemas = (OBJECTS, OBJECTS_TAIL, IMAGES, DERIVATIVES)
        # Side by side: to open a Delta table on S3 takes several requests in a row.
        with ThreadPoolExecutor(len(schemas)) as pool:
            found = list(pool.map(lambda schema: files_by_source(self.catalog, schema), schemas))
        return Tables(*(files.get(source_id, []) for files in found))

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._connection is None:
                self._connection = self._stack.enter_context(connect(self.catalog))
                self._authorized_at = time.monotonic()
            elif time.monotonic() - self._authorized_at > _CREDENTIALS_FOR_S:
                self._authorize(self._connection)
            return self._connection.cursor()

    def _authorize(self, connection: duckdb.DuckDBPyConnection) -> None:
        location = self.catalog.location
        if isinstance(location, S3Location):
            connection.execute(duckdb_secret(self.catalog.access, location.bucket, location.uri))
        self._authorized_at = time.monotonic()


def _range(source: Source, request: PageRequest) -> KeyRange:
    keys = prefix_range(source.prefix + request.prefix)
    if request.after is not None:
        return keys.after(key_of_token(request.after))
    if request.before is not None:
        return keys.before(key_of_token(request.before))
    return keys


def _find(
    cursor: duckdb.DuckDBPyConnection,
    tables: Tables,
    source: Source,
    request: PageRequest,
    keys: KeyRange,
) -> list[GalleryItem]:
    """The items of the page and one more, if there is one; in reverse for a page before."""
    params = ThumbnailParams()
    backward = request.before is not None
    wanted = request.page_size + 1
    found: list[GalleryItem] = []
    look_ahead = wanted
    while len(found) < wanted and not keys.is_empty:
        some = window(tables.leading(request.show), keys, look_ahead, backward=backward)
        most = min(look_ahead, _MOST_CANDIDATES)
        some_keys = candidates(cursor, tables, request.show, params, some, most, backward)
        rows = rows_of(cursor, tables, params, some_keys)
        items = [item_of(row, source, params) for row in rows]
        found += [item for item in items if shows(item, request.show)][:: -1 if backward else 1]
        if len(some_keys) == most:  # There may be more in the window, after the last of them.
            end = successor(some_keys[-1])
            some = KeyRange(some_keys[-1], some.end) if backward else KeyRange(some.start, end)
        keys = keys.beyond(some, backward=backward)
        look_ahead *= _LOOK_AHEAD_FACTOR
    return found[:wanted]


def _page(source: Source, request: PageRequest, found: list[GalleryItem], total: int) -> Page:
    more = len(found) > request.page_size
    items = found[: request.page_size]
    # Where somebody came from a page, there is one to go back to.
    has_next, has_previous = more, request.after is not None
    if request.before is not None:
        items.reverse()
        has_next, has_previous = True, more
    return Page(
        source=source,
        items=tuple(items),
        next_token=token_of_key(items[-1].key) if items and has_next else None,
        previous_token=token_of_key(items[0].key) if items and has_previous else None,
        total=total,
    )
