"""The interactive prompt of `s3pipelines sql`."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import click
import duckdb
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer, WordCompleter
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer

from s3pipelines.cli.sql_table import print_rows
from s3pipelines.core.catalog.schemas import TABLES
from s3pipelines.core.errors import S3PipelinesError
from s3pipelines.core.sql.session import Session

OpenSession = Callable[[], AbstractContextManager[Session]]

# A prompt may stay open for days: later statements must see tables that were made since, the
# sources of now, and credentials that have not expired.
_REOPEN_AFTER_S = 60.0
_KEYWORDS = """
    SELECT FROM WHERE GROUP BY HAVING ORDER LIMIT OFFSET JOIN LEFT USING ON AS AND OR NOT IN LIKE
    ILIKE BETWEEN IS NULL CASE WHEN THEN ELSE END DISTINCT UNION EXCEPT INTERSECT WITH DESC ASC
    DESCRIBE SUMMARIZE EXPLAIN ANALYZE SHOW TABLES PIVOT UNPIVOT EXCLUDE REPLACE QUALIFY VALUES
    count sum avg min max regexp_matches regexp_extract format_bytes date_trunc objects_at
"""
_HELP = """\
A statement ends with a semicolon; it may have several lines.
.tables          the tables
.schema [TABLE]  the columns of all tables, or of one
.quit            leave (so does Ctrl-D)
Ctrl-C cancels the statement, Tab completes, the arrow keys bring back earlier statements."""


def run_prompt(open_session: OpenSession, history: Path, max_rows: int) -> None:
    """Read statements and print what they find, until `.quit` or Ctrl-D.

    Args:
        open_session: Opens a session; called again from time to time.
        history: File with earlier statements.
        max_rows: Most rows of a table.

    Raises:
        S3PipelinesError: The first session cannot be opened.
    """
    with _Sessions(open_session) as sessions:
        completer = completer_for(sessions.current().columns())
        prompt: PromptSession[str] = PromptSession(
            history=_history(history),
            lexer=PygmentsLexer(SqlLexer),
            completer=completer,
            complete_while_typing=False,
            multiline=True,
            prompt_continuation="...> ",
            key_bindings=_bindings(),
        )
        click.echo("Type .help for help. Everything here only reads.")
        while True:
            try:
                text = prompt.prompt("sql> ").strip()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            if text in (".quit", ".exit"):
                return
            _do(text, sessions, max_rows)


def completer_for(columns: dict[str, list[str]]) -> Completer:
    """Completes keywords, the names of tables, and those of their columns."""
    names = {name for names in columns.values() for name in names}
    return WordCompleter(sorted({*_KEYWORDS.split(), *columns, *names}), ignore_case=True)


def is_complete(text: str) -> bool:
    """Tell whether Enter runs the text: it is empty, a dot command, or ends with a semicolon.

    A semicolon within a text literal, a quoted name or a comment does not end a statement.
    """
    bare = text.strip()
    if not bare or bare.startswith("."):
        return True
    code = bare.encode()
    tokens = duckdb.tokenize(bare)
    return bool(tokens) and code[tokens[-1][0] :].startswith(b";")


class _Sessions:
    """The session of the moment; opened anew when it is old."""

    def __init__(self, open_session: OpenSession) -> None:
        self._open_session = open_session
        self._stack = ExitStack()
        self._session: Session | None = None
        self._opened = 0.0

    def __enter__(self) -> "_Sessions":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def current(self) -> Session:
        if self._session is None or time.monotonic() - self._opened > _REOPEN_AFTER_S:
            self._session = None
            self._stack.close()
            self._session = self._stack.enter_context(self._open_session())
            self._opened = time.monotonic()
        return self._session


def _do(text: str, sessions: _Sessions, max_rows: int) -> None:
    command, _, argument = text.partition(" ")
    try:
        if command == ".tables":
            _print_tables(sessions.current())
        elif command == ".schema":
            _print_schema(sessions.current(), argument.strip(" ;"))
        elif command.startswith("."):
            click.echo(_HELP)
        elif text:
            print_rows(sessions.current().run(text), max_rows, sys.stdout)
    except S3PipelinesError as error:
        click.echo(f"Error: {error}", err=True)
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)


def _print_tables(session: Session) -> None:
    descriptions = {schema.name: schema.description for schema in TABLES}
    descriptions["sources"] = "The registry: one row per source."
    for table in session.columns():
        click.echo(f"{table:<16}  {descriptions.get(table, '')}".rstrip())


def _print_schema(session: Session, only: str) -> None:
    descriptions = {(s.name, c.name): c.description for s in TABLES for c in s.columns}
    tables = [table for table in session.columns() if only in ("", table)]
    if not tables:
        click.echo(f"There is no table {only!r}; .tables lists them.", err=True)
    for table in tables:
        click.echo(table)
        described = session.run(f'DESCRIBE "{table}"').read_all()
        for name, kind in zip(*described.columns[:2], strict=True):
            about = descriptions.get((table, name.as_py()), "")
            click.echo(f"  {name.as_py():<16}  {kind.as_py():<26}  {about}".rstrip())


def _history(path: Path) -> History:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Statements may name what is nobody else's business.
        path.touch(mode=0o600)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("enter")
    def _(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_complete(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.insert_text("\n")

    return bindings
