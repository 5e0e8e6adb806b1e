"""The objects of a source, page by page, in the order of any column.

The next page is found by the last row of this one (see `places`), never by counting rows off. In
the order of the keys, a page opens the few files that may hold it; in another order, it is the
first rows of one pass over the rows behind that place, of which DuckDB keeps no more than a page.
"""

from dataclasses import dataclass, field
from typing import Any

import duckdb

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect, empty_relation
from s3pipelines.core.catalog.index_files import IndexFiles
from s3pipelines.core.catalog.key_ranges import KeyRange, window
from s3pipelines.core.catalog.schemas import OBJECTS
from s3pipelines.core.catalog.views import create_source_views
from s3pipelines.core.datasets.states import source_state
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.failures import COLUMNS_HINT
from s3pipelines.core.sql.places import Order, Place, place_of_token, token_of_place
from s3pipelines.core.sql.selection import Selection
from s3pipelines.core.sql.suggestions import no_such_column

LARGEST_PAGE = 10_000
LARGEST_OFFSET = 10_000
# A window with too few of the selected rows costs another one; each is larger than the one before.
_LOOK_AHEAD_FACTOR = 8
_ALL_OF_IT = "For more at once, use 's3pipelines sql' with --format csv; for what follows, --after."


@dataclass(frozen=True)
class ObjectsRequest:
    """Which objects of a source are wanted, and in which order.

    Attributes:
        selection: Which; its own limit does not count here.
        sort: A column of `objects`. Equal values are in the order of their keys, rows without a
            value come last.
        order: `asc` or `desc`.
        limit: Most rows of the page.
        offset: Leave out so many rows first; they are read nonetheless. Not with `after`.
        after: Token: what follows the page that gave it.

    Raises:
        InvalidInput: There is no such page.
    """

    selection: Selection = field(default_factory=Selection)
    sort: str = "key"
    order: Order = "asc"
    limit: int = 50
    offset: int = 0
    after: str | None = None

    def __post_init__(self) -> None:
        if self.sort not in OBJECTS.column_names:
            raise no_such_column(self.sort, OBJECTS.column_names, COLUMNS_HINT)
        if self.order not in ("asc", "desc"):
            raise InvalidInput(f"There is no order {self.order!r}.", hint="Use asc or desc.")
        if not 1 <= self.limit <= LARGEST_PAGE:
            raise InvalidInput(
                f"A page cannot have {self.limit} rows; 1 to {LARGEST_PAGE:,} are possible.",
                hint=_ALL_OF_IT,
            )
        if not 0 <= self.offset <= LARGEST_OFFSET:
            raise InvalidInput(
                f"The offset can be 0 to {LARGEST_OFFSET:,}, not {self.offset}.", hint=_ALL_OF_IT
            )
        if self.offset and self.after is not None:
            raise InvalidInput(
                "A page begins after a token or at an offset, not both.",
                hint="Leave the offset out.",
            )

    @property
    def place(self) -> Place | None:
        """Where the page begins; None for the beginning."""
        return None if self.after is None else place_of_token(self.after, self.sort, self.order)


@dataclass(frozen=True)
class ObjectsPage:
    """One page.

    Attributes:
        rows: All columns of `objects` by name.
        next_token: `after` of the page that follows; None if there is none.
        total: How many objects are selected, on all pages; of the same state as the rows.
    """

    rows: tuple[dict[str, Any], ...]
    next_token: str | None
    total: int


def list_objects(
    catalog: Catalog, source_id: str, request: ObjectsRequest | None = None
) -> ObjectsPage:
    """One page of the objects of a source; empty where the index has nothing of it yet.

    Args:
        catalog: Where the registry and the tables are.
        source_id: A registered source, or `ID@VERSION`.
        request: Which page; by default the first, by key.

    Raises:
        NotFound: There is no such source, or version of it.
        InvalidInput: The selection, or the token, is wrong.
        StorageError: The catalog cannot be read.
    """
    request = request or ObjectsRequest()
    place = request.place
    state = source_state(catalog, source_id)
    source, index = state.source, state.index
    with connect(catalog) as connection:
        _create_views(connection, catalog, index, request.selection)
        query = _Query(
            connection,
            index,
            request,
            place,
            selected=request.selection.key_range(source.prefix),
            condition=request.selection.condition(connection, source.prefix),
        )
        total = query.count()
        found = query.find(request.offset + request.limit + 1)[request.offset :]
    rows = found[: request.limit]
    return ObjectsPage(
        rows=tuple(rows),
        next_token=_token(request, rows[-1]) if len(found) > len(rows) else None,
        total=total,
    )


def _create_views(
    connection: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    index: IndexFiles,
    selection: Selection,
) -> None:
    """Make what a condition may ask; a view of files opens each of them."""
    asked = selection.where is not None
    rows = index.rows() if asked else empty_relation(OBJECTS)
    connection.execute(f"CREATE VIEW objects AS {rows}")
    create_source_views(connection, catalog, index.source_id, *selection.asked_tables)


def _token(request: ObjectsRequest, row: dict[str, Any]) -> str:
    return token_of_place(Place(request.sort, request.order, row[request.sort], row["key"]))


@dataclass(frozen=True)
class _Query:
    """What is asked of one state of the index."""

    connection: duckdb.DuckDBPyConnection
    index: IndexFiles
    request: ObjectsRequest
    place: Place | None
    selected: KeyRange
    condition: str

    def count(self) -> int:
        """How many objects are selected; for all of them Delta's log tells."""
        if self.request.selection.is_everything:
            return self.index.count(self.connection)
        rows = self.index.rows(self.selected)
        query = f"SELECT count(*) FROM ({rows}) AS objects WHERE {self.condition}"
        return self.connection.execute(query).fetchall()[0][0]

    def find(self, wanted: int) -> list[dict[str, Any]]:
        """The first rows after the place."""
        if self.request.sort != "key":
            behind, values = _behind(self.place)
            return self._read(self.selected, behind, values, wanted)
        backward = self.request.order == "desc"
        keys = self.selected
        if self.place is not None:
            cut = keys.before if backward else keys.after
            keys = cut(self.place.key)
        found: list[dict[str, Any]] = []
        look_ahead = wanted
        while len(found) < wanted and not keys.is_empty:
            some = window(self.index.files, keys, look_ahead, backward=backward)
            condition, values = _inside(some)
            found += self._read(some, condition, values, wanted - len(found))
            keys = keys.beyond(some, backward=backward)
            look_ahead *= _LOOK_AHEAD_FACTOR
        return found

    def _read(
        self, keys: KeyRange, condition: str, values: dict[str, Any], most: int
    ) -> list[dict[str, Any]]:
        sort, order = self.request.sort, self.request.order
        by = f"key {order}" if sort == "key" else f'"{sort}" {order} NULLS LAST, key'
        query = f"""
            SELECT * FROM ({self.index.rows(keys)}) AS objects
            WHERE {condition} AND ({self.condition}) ORDER BY {by} LIMIT {int(most)}
        """
        return self.connection.execute(query, values).to_arrow_table().to_pylist()


def _inside(keys: KeyRange) -> tuple[str, dict[str, Any]]:
    # Bound rather than written out: a key may hold a NUL, which would end a statement.
    if keys.end is None:
        return "key >= $start", {"start": keys.start}
    return "key >= $start AND key < $end", {"start": keys.start, "end": keys.end}


def _behind(place: Place | None) -> tuple[str, dict[str, Any]]:
    """The condition for the rows that come after a place, in the order of a column and the key."""
    if place is None:
        return "true", {}
    if place.value is None:
        return f'("{place.sort}" IS NULL AND key > $key)', {"key": place.key}
    beyond = ">" if place.order == "asc" else "<"
    condition = (
        f'("{place.sort}" {beyond} $value OR "{place.sort}" = $value AND key > $key '
        f'OR "{place.sort}" IS NULL)'
    )
    return condition, {"value": place.value, "key": place.key}
