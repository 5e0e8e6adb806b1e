"""Which caps hold for which objects of a source, as SQL over the view `objects`."""

from collections.abc import Mapping, Sequence

import duckdb

from s3pipelines.core.catalog.schemas import ANNOTATIONS, OBJECTS, TAGS, TableSchema
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sources.pyramid_options import PyramidOptions, PyramidRule
from s3pipelines.core.sql.failures import statement_error
from s3pipelines.core.sql.gate import check_read_only
from s3pipelines.core.sql.quoting import sql_name, sql_text

_DESCRIBED = "described_objects"
_OWN = ("source", "key", "annotated_at")


def tables_of_rules(options: PyramidOptions) -> tuple[TableSchema, ...]:
    """The tables beside `objects` that rules and the template ask."""
    asked = (ANNOTATIONS, TAGS) if options.rules else ()
    return (*asked, *((TAGS,) if options.template.tags else ()))


def tags_of_rules(options: PyramidOptions) -> frozenset[str]:
    """The names of the tags that rules, or the template, ask for."""
    named = [rule.named for rule in options.rules]
    return options.template.tags | {one[1] for one in named if one and one[0] == "tag"}


def cap_columns(connection: duckdb.DuckDBPyConnection, options: PyramidOptions) -> tuple[str, str]:
    """The largest width and height of each object's pyramid, as SQL; NULL where there is none.

    Args:
        connection: With the views of the tables; gets one more, for conditions.
        options: Of the source.

    Raises:
        InvalidInput: A rule asks for what there is not. Nothing is made then: a cap that is not
            understood must not mean full resolution.
    """
    if options.rules:
        _create_described(connection)
    conditions = [_checked(connection, rule) for rule in options.rules]
    return (
        _strictest(options.max_width_px, conditions, [r.max_width_px for r in options.rules]),
        _strictest(options.max_height_px, conditions, [r.max_height_px for r in options.rules]),
    )


def caps_by_tags(
    options: PyramidOptions, tags: Mapping[str, str], caps: tuple[int | None, int | None]
) -> tuple[int | None, int | None]:
    """The caps of one object, with those of its tags as they are now.

    Args:
        options: Of the source.
        tags: Of the object, as S3 told them a moment ago.
        caps: Width and height by what the tables say.
    """
    width_px, height_px = caps
    for rule in options.rules:
        if rule.named and rule.named[0] == "tag" and tags.get(rule.named[1]) == rule.named[2]:
            width_px = _least(width_px, rule.max_width_px)
            height_px = _least(height_px, rule.max_height_px)
    return width_px, height_px


def digest_column(base: str, width: str, height: str) -> str:
    """The digest of an object's parameters as SQL; see `capped_digest`."""
    caps = f"concat('-', {width}, 'x', {height})"
    none = f"coalesce({width}, {height}) IS NULL"
    return f"concat({sql_text(base)}, if({none}, '', {caps}))"


def capped_digest(base: str, width_px: int | None, height_px: int | None) -> str:
    """The digest of parameters with a cap: `3f…-843x560`; with none, `3f…`."""
    if width_px is None and height_px is None:
        return base
    return f"{base}-{width_px or ''}x{height_px or ''}"


def _least(one: int | None, other: int | None) -> int | None:
    return min((cap for cap in (one, other) if cap is not None), default=None)


def _strictest(general: int | None, conditions: Sequence[str], caps: Sequence[int | None]) -> str:
    # DuckDB's `least` passes over NULL.
    terms = ["NULL" if general is None else str(int(general))]
    for condition, cap in zip(conditions, caps, strict=True):
        if cap is not None:
            terms.append(f"if({condition}, {int(cap)}, NULL)")
    return f"least({', '.join(terms)})::BIGINT" if len(terms) > 1 else f"{terms[0]}::BIGINT"


def _create_described(connection: duckdb.DuckDBPyConnection) -> None:
    """The objects with what people know of them, so that a condition can name either's columns."""
    columns = [row[0] for row in connection.execute("DESCRIBE annotations").fetchall()]
    own = [name for name in columns if name not in {*_OWN, *OBJECTS.column_names}]
    names = "".join(f", annotations.{sql_name(name)}" for name in own)
    connection.execute(
        f"CREATE OR REPLACE VIEW {_DESCRIBED} AS SELECT objects.*{names} "
        "FROM objects LEFT JOIN annotations ON annotations.key = objects.key"
    )


def _checked(connection: duckdb.DuckDBPyConnection, rule: PyramidRule) -> str:
    keys = _keys_of(rule)
    check_read_only(connection, keys)
    try:
        connection.execute(f"{keys} LIMIT 0").fetchall()
    except duckdb.Error as error:
        told = statement_error(error, 0)
        raise InvalidInput(
            f"The rule {rule.when!r} for pyramids cannot be asked ({told.message}).",
            hint="Correct it with 's3pipelines sources update', or annotate the source again.",
        ) from error
    return f"objects.key IN ({keys})"


def _keys_of(rule: PyramidRule) -> str:
    if rule.named is None:
        # On lines of its own, so that a comment at its end ends there.
        return f"SELECT key FROM {_DESCRIBED} WHERE (\n{rule.when}\n)"
    what, name, value = rule.named
    if what == "annotation":
        asked = f"CAST({sql_name(name)} AS VARCHAR) = {sql_text(value)}"
        return f"SELECT key FROM annotations WHERE {asked}"
    asked = f"tags.name = {sql_text(name)} AND tags.value = {sql_text(value)}"
    return f"SELECT key FROM objects JOIN tags USING (key, etag) WHERE {asked}"
