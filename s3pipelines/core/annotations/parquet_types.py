"""The type that a column of a Parquet file gets in the table."""

from duckdb.sqltypes import DuckDBPyType

from s3pipelines.core.sql.quoting import sql_name

_INTEGERS = ("tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger")
_TEXTS = ("varchar", "enum", "uuid", "time", "time with time zone", "time_ns", "interval", "bit")
_NESTED = ("list", "array", "struct", "map")
_SIMPLE = {
    "boolean": "BOOLEAN",
    **dict.fromkeys(_INTEGERS, "BIGINT"),
    "ubigint": "DECIMAL(20,0)",
    "hugeint": "VARCHAR",
    "uhugeint": "VARCHAR",
    "float": "DOUBLE",
    "double": "DOUBLE",
    "date": "DATE",
    "blob": "BLOB",
    **dict.fromkeys(_TEXTS, "VARCHAR"),
}


def stored_type(given: DuckDBPyType) -> str | None:
    """One of few types, so that the columns of two files rarely differ for no reason.

    Integers are 64 bits wide, floating-point numbers too; times without a zone are in UTC.

    Returns:
        DuckDB's name of it; None for a type that a Delta table cannot hold.
    """
    kind = given.id
    if kind.startswith("timestamp"):
        return "TIMESTAMPTZ"
    if kind == "decimal":
        return str(given)
    return _nested_type(given) if kind in _NESTED else _SIMPLE.get(kind)


def _nested_type(given: DuckDBPyType) -> str | None:
    # An array also says how long it is.
    parts = {
        name: stored_type(child)
        for name, child in given.children
        if isinstance(child, DuckDBPyType)
    }
    if None in parts.values():
        return None
    if given.id == "struct":
        fields = ", ".join(f"{sql_name(name)} {part}" for name, part in parts.items())
        return f"STRUCT({fields})"
    if given.id == "map":
        return f"MAP({parts['key']}, {parts['value']})"
    return f"{parts['child']}[]"
