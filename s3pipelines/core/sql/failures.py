"""What DuckDB says when a statement fails, in one line and with a way on."""

import re

import duckdb
import pyarrow as pa

from s3pipelines.core.errors import InvalidInput, S3PipelinesError, StorageError
from s3pipelines.core.sql.suggestions import no_such_column

READ_ONLY = "Statements only read the catalog's tables."
COLUMNS_HINT = "Run 's3pipelines sql \"DESCRIBE objects\"' to see the columns."
SYNTAX_HINT = "For example: SELECT key, size_bytes FROM objects WHERE extension = 'tif' LIMIT 10"

# Errors that come out of a running stream have passed through Arrow: only their text is left.
RAISED_BY_DUCKDB = (duckdb.Error, OSError, pa.ArrowException)
_CATEGORY = re.compile(r"([A-Z][A-Za-z ]{1,30}) Error: ")
# From here on DuckDB repeats the statement, with an arrow that needs its own line.
_STATEMENT = re.compile(r"\n\s*LINE \d+:.*", re.DOTALL)
_NO_COLUMN = re.compile(
    r'(?:Referenced column "(.*?)" not found in FROM clause!'
    r'|Table ".*?" does not have a column named "(.*?)")'
    r"(?:\s*Candidate bindings: (.*))?",
    re.DOTALL,
)
_STORAGE = frozenset({"IO", "HTTP"})


def statement_error(error: Exception, memory_limit_mb: int) -> S3PipelinesError:
    """The project's error for what DuckDB raised while it ran a statement."""
    text = str(error)
    category = _CATEGORY.match(text)
    name = category[1] if category else ""
    if name == "Out of Memory":
        return InvalidInput(
            f"The statement needs more than {memory_limit_mb} MB of memory.",
            hint="Narrow it with WHERE or LIMIT, or raise S3PIPELINES_MEMORY_LIMIT_MB.",
        )
    if name == "INTERRUPT":
        return InvalidInput("The statement was interrupted.", hint="Nothing was changed.")
    if name in _STORAGE:
        return StorageError(
            f"The catalog's tables cannot be read ({_one_line(text)}).",
            hint="Check that the catalog can be reached, and that its credentials may read it.",
        )
    return refused_by_duckdb(text)


def refused_by_duckdb(text: str, hint: str = COLUMNS_HINT) -> InvalidInput:
    """DuckDB's message about a statement, with its suggestions, as one line."""
    line = _one_line(text)
    if column := _NO_COLUMN.fullmatch(line):
        return no_such_column(column[1] or column[2], re.findall('"(.*?)"', column[3] or ""), hint)
    return InvalidInput(line if line.endswith((".", "!", "?")) else f"{line}.", hint=hint)


def _one_line(text: str) -> str:
    return " ".join(_CATEGORY.sub("", _STATEMENT.sub("", text), count=1).split())[:600]
