"""What a reviewer must know of the rows of a plan, and what no plan may hold."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from s3pipelines.core.batch.plans import ClassShare, Flag
from s3pipelines.core.errors import InvalidInput, printable
from s3pipelines.core.preview.wording import counted
from s3pipelines.core.sql.quoting import sql_text

_EXAMPLES = 3
_SAMPLES = 8
# S3 copies up to 5 GB in one request.
LARGEST_SINGLE_COPY_BYTES = 5 * 1000**3
ARCHIVED = "storage_class IN ('GLACIER', 'DEEP_ARCHIVE')"
_MEANINGS = {
    "exists": "The target exists already; it stays as it is and these are skipped.",
    "not_newer": "The target exists and is not older; it stays and these are skipped.",
    "unmapped": "The match, or a tag of the template, gives them no target; they are skipped.",
    "overwrites": "The target exists and is written over, if it still is what it was now.",
    "archived": "They lie in an archive; unless they are restored before, they will fail.",
    "large": "They have more than 5 GB and are copied in parts.",
    "similar_targets": "Their targets differ from another one only by case or by the way in which "
    "accents are written; a Mac or Windows would mix them up.",
    "cannot_be_undone": "What was done to them cannot be taken back; they are left as they are.",
}


@dataclass(frozen=True)
class Review:
    """What was found.

    Attributes:
        objects: Rows of the plan.
        to_do: Those that are to be carried out.
        size_bytes: Their size together.
        classes: What is to be done, by storage class.
        flags: What is worth knowing.
        samples: Some keys with their targets.
    """

    objects: int
    to_do: int
    size_bytes: int
    classes: tuple[ClassShare, ...]
    flags: tuple[Flag, ...]
    samples: tuple[tuple[str, str | None], ...]


class Reviewer:
    """Looks at rows that `selecting.draw_rows` wrote.

    Args:
        connection: Made by `core.catalog.duck.connect`.
        rows: The file.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, rows: Path) -> None:
        self._connection = connection
        self._rows = f"read_parquet({sql_text(str(rows))})"

    def refuse_nothing(self) -> None:
        """A plan has something to do.

        Raises:
            InvalidInput: The selection is empty.
        """
        if not self._number("SELECT count(*) FROM {rows}"):
            raise InvalidInput(
                "The selection is empty: no object of the source fits.",
                hint="See what there is with 's3pipelines objects list', and whether the index is "
                "up to date.",
            )

    def refuse_bad_targets(self, *, same_bucket: bool, refuse_existing: bool) -> None:
        """No two objects go to one target, none to itself, and none onto another that is chosen.

        Args:
            same_bucket: The targets are keys of the bucket of the source.
            refuse_existing: No target may exist.

        Raises:
            InvalidInput: One of these, with examples.
        """
        self._refuse(
            "SELECT key, target FROM {rows} WHERE verdict = 'bad_key' ORDER BY key",
            "target",
            "would be empty or longer than 1,024 bytes",
            "Choose another template or replacement.",
        )
        self._refuse(
            self._colliding("hash(target)", "target"),
            "object",
            "would go to targets that others go to, too",
            "Use more of the key: {{key}} never collides, {{stem}} does.",
        )
        if same_bucket:
            self._refuse(
                "SELECT key, target FROM {rows} WHERE target = key ORDER BY key",
                "object",
                "would be written in place",
                "Choose another prefix or template.",
            )
            self._refuse(
                "SELECT key, target FROM {rows} WHERE target IN (SELECT key FROM {rows}) "
                "ORDER BY key",
                "target",
                "would replace objects of the same selection, which are to be read first",
                "Choose another prefix, or do it in two plans.",
            )
        if refuse_existing:
            self._refuse(
                "SELECT key, target FROM {rows} WHERE verdict = 'exists' ORDER BY key",
                "object",
                "would go to targets that exist already",
                "Choose with --on-existing what is done about them: skip, overwrite or if_newer.",
            )

    def review(self, *, reads: bool, writes: bool) -> Review:
        """Count, and collect what is worth knowing.

        Args:
            reads: The bytes are read.
            writes: Something is written to the targets.
        """
        flags = [
            *self._verdicts(),
            self._flag("overwrites", "verdict IS NULL AND target_etag IS NOT NULL"),
            self._flag("archived", f"verdict IS NULL AND {ARCHIVED}") if reads else None,
            self._flag("large", f"verdict IS NULL AND size_bytes > {LARGEST_SINGLE_COPY_BYTES}")
            if reads
            else None,
            self._similar_targets() if writes else None,
        ]
        to_do = self._fetch(
            "SELECT coalesce(storage_class, 'STANDARD'), count(*), sum(size_bytes)::BIGINT "
            "FROM {rows} WHERE verdict IS NULL GROUP BY ALL ORDER BY 1"
        )
        classes = [ClassShare(storage_class=c, objects=n, size_bytes=b) for c, n, b in to_do]
        samples = self._fetch(f"SELECT key, target FROM {{rows}} LIMIT {_SAMPLES}")
        return Review(
            objects=self._number("SELECT count(*) FROM {rows}"),
            to_do=sum(share.objects for share in classes),
            size_bytes=sum(share.size_bytes for share in classes),
            classes=tuple(classes),
            flags=tuple(flag for flag in flags if flag is not None),
            samples=tuple(samples),
        )

    def _verdicts(self) -> Iterable[Flag | None]:
        verdicts = self._fetch(
            "SELECT DISTINCT verdict FROM {rows} WHERE verdict IS NOT NULL ORDER BY 1"
        )
        return [self._flag(verdict, f"verdict = {sql_text(verdict)}") for (verdict,) in verdicts]

    def _flag(self, name: str, condition: str) -> Flag | None:
        found = self._fetch(
            f"SELECT count(*), list(key ORDER BY key) FILTER (nth <= {_EXAMPLES}) FROM ("
            f"SELECT key, row_number() OVER () AS nth FROM {{rows}} WHERE {condition})"
        )
        count, examples = found[0]
        if not count:
            return None
        meaning = _MEANINGS.get(name, f"They are skipped ({name}).")
        return Flag(name=name, objects=count, meaning=meaning, examples=tuple(examples or ()))

    def _similar_targets(self) -> Flag | None:
        folded = "lower(nfc_normalize(target))"
        similar = self._fetch(self._colliding(f"hash({folded})", folded))
        if not similar:
            return None
        return Flag(
            name="similar_targets",
            objects=len(similar),
            meaning=_MEANINGS["similar_targets"],
            examples=tuple(target for _, target in similar[:_EXAMPLES]),
        )

    def _colliding(self, digest: str, value: str) -> str:
        """Rows whose `value` others have, too. By hashes first, which fit into memory."""
        return f"""
            WITH repeated AS (
                SELECT {digest} AS digest FROM {{rows}} WHERE target IS NOT NULL
                GROUP BY ALL HAVING count(*) > 1
            ), candidates AS (
                SELECT key, target FROM {{rows}} SEMI JOIN repeated ON {digest} = repeated.digest
                WHERE target IS NOT NULL
            )
            SELECT key, target FROM candidates
            QUALIFY count(*) OVER (PARTITION BY {value}) > 1 ORDER BY target, key
        """

    def _refuse(self, query: str, noun: str, what: str, hint: str) -> None:
        count = self._number(f"SELECT count(*) FROM ({query})")
        if not count:
            return
        examples = self._fetch(f"SELECT * FROM ({query}) LIMIT {_EXAMPLES}")
        shown = "; ".join(f"{printable(k)} to {printable(t or '(nothing)')}" for k, t in examples)
        raise InvalidInput(
            f"{counted(count, noun)} {what} ({shown}{' …' if count > _EXAMPLES else ''}).",
            hint=f"{hint.format()} Nothing was changed.",
        )

    def _number(self, query: str) -> int:
        return self._fetch(query)[0][0]

    def _fetch(self, query: str) -> list[tuple]:
        return self._connection.execute(query.replace("{rows}", self._rows)).fetchall()
