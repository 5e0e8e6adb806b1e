"""Which object a row of the file is about.

A key of the file is relative to the source's prefix, as people see it; but catalogues that were
made from a listing hold full keys. So a key is a full one if the index has that object, and a
relative one if it has that one. Where it has both, or neither, the file as a whole decides: its
keys are full ones if all of them begin with the prefix.
"""

from dataclasses import dataclass

import duckdb

from s3pipelines.core.annotations.files import Given
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.quoting import sql_text

_MOST_NAMED = 3


@dataclass(frozen=True)
class Matched:
    """How the rows of the file and the index fit together.

    Attributes:
        matched: Rows whose object the index has.
        unmatched: Rows without one.
        examples: Keys of some of those, as the file has them.
        objects_without_row: Objects of the source that the file does not tell of.
    """

    matched: int
    unmatched: int
    examples: tuple[str, ...]
    objects_without_row: int


def match_keys(connection: duckdb.DuckDBPyConnection, given: Given, prefix: str) -> Matched:
    """Make the temporary table `matched`: `number`, the full `key`, and whether it is `known`.

    Args:
        connection: With the table `given` and the view `objects` of the source.
        given: What `given` holds.
        prefix: The source's.

    Raises:
        InvalidInput: Two rows are about the same object.
    """
    connection.execute(f"CREATE TEMP TABLE matched AS {_matches(prefix)}")
    _refuse_twins(connection, given)
    known, unknown = connection.execute(
        "SELECT count(*) FILTER (known), count(*) FILTER (NOT known) FROM matched"
    ).fetchall()[0]
    objects = connection.execute("SELECT count(*) FROM objects").fetchall()[0][0]
    some = f"SELECT given_key {UNMATCHED} ORDER BY number LIMIT {_MOST_NAMED}"
    examples = tuple(key for (key,) in connection.execute(some).fetchall())
    return Matched(known, unknown, examples, objects - known)


# The rows of `given` without an object.
UNMATCHED = "FROM given WHERE number IN (SELECT number FROM matched WHERE NOT known)"


def _matches(prefix: str) -> str:
    start = sql_text(prefix)
    if not prefix:
        return """
            SELECT number, given_key AS key, objects.key IS NOT NULL AS known
            FROM given LEFT JOIN objects ON objects.key = given_key
        """
    # Plain equalities: with a further condition DuckDB compares each row with each (8 minutes for a
    # million of both, instead of seconds).
    return f"""
        WITH every AS (SELECT bool_and(starts_with(given_key, {start})) AS begins FROM given),
        asked AS (
            SELECT number, given_key, starts_with(given_key, {start}) AS begins,
                if(begins, given_key, NULL) AS full_key, {start} || given_key AS relative
            FROM given
        ), found AS (
            SELECT asked.*, whole.key IS NOT NULL AS has_whole, part.key IS NOT NULL AS has_part
            FROM asked
            LEFT JOIN objects AS whole ON whole.key = full_key
            LEFT JOIN objects AS part ON part.key = relative
        )
        SELECT number, has_whole OR has_part AS known,
            CASE WHEN NOT found.begins THEN relative
                WHEN has_whole <> has_part THEN if(has_whole, given_key, relative)
                ELSE if(every.begins, given_key, relative) END AS key
        FROM found CROSS JOIN every
    """


def _refuse_twins(connection: duckdb.DuckDBPyConnection, given: Given) -> None:
    twins = "FROM matched GROUP BY key HAVING count(*) > 1"
    count = connection.execute(f"SELECT count(*) FROM (SELECT key {twins})").fetchall()[0][0]
    if not count:
        return
    first = connection.execute(
        f"SELECT key, list_sort(list(number))[:{_MOST_NAMED}] {twins} "
        f"ORDER BY min(number) LIMIT {_MOST_NAMED}"
    ).fetchall()
    named = "; ".join(f"{key!r} in {', '.join(map(str, rows))}" for key, rows in first)
    more = " …" if count > _MOST_NAMED else ""
    raise InvalidInput(
        f"{count:,} keys have more than one row in {given.path}: {named}{more} (the first row "
        "below the header is 1).",
        hint="Leave one row for each key.",
    )
