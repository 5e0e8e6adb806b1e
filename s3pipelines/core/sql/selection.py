"""A selection: which objects of a source, by SQL, regular expression, glob, number or a list."""

import re
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.catalog.duck import connect
from s3pipelines.core.catalog.key_ranges import KeyRange, prefix_range
from s3pipelines.core.catalog.schemas import (
    ANNOTATIONS,
    CHANGES,
    DERIVATIVES,
    IMAGES,
    TAGS,
    TableSchema,
)
from s3pipelines.core.datasets.states import source_state
from s3pipelines.core.sql.failures import statement_error
from s3pipelines.core.sql.gate import check_read_only
from s3pipelines.core.sql.key_heads import head_of_glob, head_of_regex, writable
from s3pipelines.core.sql.quoting import sql_text

# What a condition may ask beside `objects`.
_ASKABLE = (IMAGES, DERIVATIVES, CHANGES, ANNOTATIONS, TAGS)
_LISTED_KEYS = "selected_keys"
# A set of a shell pattern: `[abc]`, `[!a-z]`, also with a bracket as its first member.
_SET = re.compile(r"\[(!?+)(.[^\]]*)\]", re.DOTALL)


@dataclass(frozen=True)
class Selection:
    """Objects of one source; what is not given does not restrict, and all that is given must hold.

    Attributes:
        where: An SQL condition over the columns of `objects`; it may ask the other tables, too
            (`key IN (SELECT key FROM images WHERE width_px > 4000)`).
        regex: Something in the key below the source's prefix matches (RE2).
        glob: The whole key below the source's prefix matches; `*` also matches `/`.
        limit: Most objects.
        keys: Full keys, as the index has them.
        bucket: The bucket of these keys, where that is told.
    """

    where: str | None = None
    regex: str | None = None
    glob: str | None = None
    limit: int | None = None
    keys: frozenset[str] | None = None
    bucket: str | None = None

    def __str__(self) -> str:
        told = {"where": self.where, "regex": self.regex, "glob": self.glob, "limit": self.limit}
        parts = [f"{name} {value}" for name, value in told.items() if value is not None]
        if self.keys is not None:
            parts.append(f"{len(self.keys):,} listed keys")
        return ", ".join(parts) or "everything"

    def condition(self, connection: duckdb.DuckDBPyConnection, prefix: str) -> str:
        """The selection as an SQL condition over the view `objects` of the connection.

        Args:
            connection: With the views that `where` may ask; gets the listed keys as a table.
            prefix: The source's.

        Raises:
            InvalidInput: The condition, or the regular expression, is wrong.
        """
        name = f"substr(key, {len(prefix) + 1})"
        parts: list[str] = []
        if self.keys is not None:
            _register_keys(connection, self.keys)
            parts.append(f"key IN (SELECT key FROM {_LISTED_KEYS})")
        if self.bucket is not None:
            parts.append(f"bucket = {sql_text(self.bucket)}")
        if self.glob is not None:
            parts.append(f"regexp_full_match({name}, {sql_text(_regex_of(self.glob))}, 's')")
        if self.regex is not None:
            parts.append(f"regexp_matches({name}, {sql_text(self.regex)})")
        # Before what is asked of each key: the range alone skips files and row groups.
        parts[:0] = _range_conditions(self.key_range(prefix))
        if self.where is not None:
            # On lines of its own, so that a comment at its end ends there.
            parts.append(f"(\n{self.where}\n)")
        condition = " AND ".join(parts) or "true"
        _check(connection, condition)
        return condition

    def key_range(self, prefix: str) -> KeyRange:
        """A range that holds every selected key; it may hold others.

        Args:
            prefix: The source's.
        """
        heads = [
            "" if self.glob is None else head_of_glob(self.glob),
            "" if self.regex is None else head_of_regex(self.regex),
        ]
        found = KeyRange()
        for head in filter(None, heads):
            found = found.within(prefix_range(writable(prefix + head)))
        if self.keys:
            last = prefix_range(writable(max(self.keys)))
            found = found.within(KeyRange(writable(min(self.keys)), last.end))
        return found

    @property
    def asked_tables(self) -> tuple[TableSchema, ...]:
        """The tables beside `objects` of which `condition` needs views."""
        return _ASKABLE if self.where is not None else ()

    @property
    def is_everything(self) -> bool:
        """It restricts nothing."""
        return self == Selection()


def unknown_keys(catalog: Catalog, source_id: str, selection: Selection) -> list[str]:
    """The listed keys of a selection that the source, or that version of it, has not, sorted.

    Raises:
        StorageError: The catalog cannot be read.
    """
    if selection.keys is None:
        return []
    index = source_state(catalog, source_id).index
    with connect(catalog) as connection:
        connection.execute(f"CREATE VIEW objects AS {index.rows()}")
        _register_keys(connection, selection.keys)
        query = f"FROM {_LISTED_KEYS} WHERE key NOT IN (SELECT key FROM objects) ORDER BY key"
        return [key for (key,) in connection.execute(query).fetchall()]


def _range_conditions(keys: KeyRange) -> list[str]:
    conditions = [f"key >= {sql_text(keys.start)}"] if keys.start else []
    if keys.end is not None:
        conditions.append(f"key < {sql_text(keys.end)}")
    return conditions


def _register_keys(connection: duckdb.DuckDBPyConnection, keys: frozenset[str]) -> None:
    connection.register(_LISTED_KEYS, pa.table({"key": pa.array(keys, pa.string())}))


def _check(connection: duckdb.DuckDBPyConnection, condition: str) -> None:
    statement = f"SELECT key FROM objects WHERE {condition}"
    check_read_only(connection, statement)
    try:
        # A pattern that does not compile only shows when it runs.
        connection.execute(f"{statement} LIMIT 0").fetchall()
    except duckdb.Error as error:
        raise statement_error(error, 0) from error


def _regex_of(glob: str) -> str:
    """A shell pattern, as `fnmatch` reads it, in RE2's syntax.

    Not DuckDB's own GLOB: there `?` is a byte and a backslash escapes. Not `fnmatch.translate`:
    what it gives, RE2 does not take.
    """
    parts: list[str] = []
    at = 0
    while at < len(glob):
        found = _SET.match(glob, at)
        if found:
            parts.append(_set_of(found[1], found[2]))
            at = found.end()
            continue
        parts.append({"*": ".*", "?": "."}.get(glob[at]) or _literal(glob[at]))
        at += 1
    return "".join(parts)


def _set_of(negated: str, members: str) -> str:
    ranges: list[str] = []
    at = 0
    while at < len(members):
        low = high = members[at]
        if at + 2 < len(members) and members[at + 1] == "-":
            high = members[at + 2]
            at += 2
        at += 1
        if low <= high:
            ranges.append(f"{_literal(low)}-{_literal(high)}")
    if not ranges:
        return "." if negated else "[^\\x{0}-\\x{10FFFF}]"
    return f"[{'^' if negated else ''}{''.join(ranges)}]"


def _literal(character: str) -> str:
    return f"\\x{{{ord(character):X}}}"
