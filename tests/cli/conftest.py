"""The command line as a person runs it: arguments in; exit status, output and errors out."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from s3pipelines.cli import main
from s3pipelines.core.catalog.catalog import Catalog


@dataclass(frozen=True)
class Ran:
    """What one invocation left behind."""

    status: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def run(
    local_catalog: Catalog,
    dagster_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Run:
    """Run `s3pipelines ARGUMENTS` on an empty catalog in a folder."""
    monkeypatch.setenv("S3PIPELINES_CATALOG", local_catalog.location.uri)

    def invoke(*arguments: str) -> Ran:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        out, err = capfd.readouterr()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0, out, err)

    return invoke
