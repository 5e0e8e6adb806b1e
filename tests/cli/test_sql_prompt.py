"""The prompt of `s3pipelines sql`, typed at through a pipe."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from s3pipelines.cli.sql_prompt import completer_for, is_complete, run_prompt
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.sql.session import Session, open_session


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("", True),
        (".tables", True),
        ("SELECT 1", False),
        ("SELECT 1;", True),
        ("SELECT\n1 ; ", True),
        ("SELECT ';", False),
        ("SELECT 'é;'", False),
        ("SELECT 'é';", True),
        ('SELECT ";', False),
        ("SELECT 1 -- ;", False),
        ("SELECT 1; -- done", True),
        ("SELECT /* ;", False),
    ],
)
def test_enter_runs_a_statement_that_is_complete(text: str, complete: bool) -> None:
    assert is_complete(text) is complete


@pytest.fixture
def keyboard() -> Iterator[PipeInput]:
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        yield keys


@pytest.fixture
def session(local_catalog: Catalog) -> Iterator[Session]:
    with open_session(local_catalog) as session:
        yield session


@pytest.fixture
def opened(local_catalog: Catalog) -> Callable[[], AbstractContextManager[Session]]:
    return lambda: open_session(local_catalog)


def test_the_prompt_answers_until_ctrl_d(
    keyboard: PipeInput,
    opened: Callable[[], AbstractContextManager[Session]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    keyboard.send_text(
        "SELECT 40 + 2\r AS answer;\r"  # Enter within a statement begins a new line.
        "SELEC nonsense;\r"
        "garbage\x03"  # Ctrl-C drops what was typed.
        ".tables\r.schema objects\r.schema nothing\r.help\r"
        "\r\x04"
    )
    history = tmp_path / "state" / "history"
    run_prompt(opened, history, 40)
    shown = capsys.readouterr()
    assert "answer" in shown.out
    assert "42" in shown.out
    assert "objects           The object index" in shown.out
    assert "  size_bytes        BIGINT                      Size in bytes." in shown.out
    assert "Error: " in shown.err
    assert "There is no table 'nothing'" in shown.err
    assert "AS answer;" in history.read_text()
    assert history.stat().st_mode & 0o077 == 0


def test_tab_completes_keywords_tables_and_columns(session: Session) -> None:
    completer = completer_for(session.columns())
    for typed, word in (("SEL", "SELECT"), ("FROM obj", "objects"), ("WHERE size", "size_bytes")):
        found = completer.get_completions(Document(typed), CompleteEvent(completion_requested=True))
        assert word in [completion.text for completion in found]


def test_the_prompt_works_where_no_history_can_be_kept(
    keyboard: PipeInput,
    opened: Callable[[], AbstractContextManager[Session]],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("no folder")
    keyboard.send_text("SELECT 'ok';\r.exit\r")
    run_prompt(opened, tmp_path / "file" / "history", 40)
    assert "ok" in capsys.readouterr().out


def test_the_prompt_opens_an_old_session_anew(
    keyboard: PipeInput,
    opened: Callable[[], AbstractContextManager[Session]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opens: list[int] = []

    def counted() -> AbstractContextManager[Session]:
        opens.append(1)
        return opened()

    monkeypatch.setattr("s3pipelines.cli.sql_prompt._REOPEN_AFTER_S", 0.0)
    keyboard.send_text("SELECT 1;\rSELECT 2;\r.quit\r")
    run_prompt(counted, tmp_path / "history", 40)
    assert len(opens) == 3
