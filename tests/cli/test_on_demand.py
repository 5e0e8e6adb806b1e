"""Only the command that is run is imported, and the help tells of all of them all the same."""

import os
import subprocess
import sys

import click
import pytest

from s3pipelines.cli import cli

_CONTEXT = click.Context(cli)


@pytest.mark.parametrize("name", cli.list_commands(_CONTEXT))
def test_each_command_is_where_it_is_said_to_be(name):
    command = cli.get_command(_CONTEXT, name)
    assert command is not None
    assert command.name == name
    assert command.help


def test_the_help_tells_of_each_command_in_a_line(capsys):
    cli.main(["--help"], prog_name="s3pipelines", standalone_mode=False)
    lines = capsys.readouterr().out.partition("Commands:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == cli.list_commands(_CONTEXT)
    assert all(len(line) <= 80 and line.endswith(".") for line in lines)


def test_a_command_that_does_not_exist_is_refused_with_one_that_does():
    with pytest.raises(click.UsageError) as caught:
        cli.main(["sorces"], prog_name="s3pipelines", standalone_mode=False)
    assert "Did you mean 'sources'?" in caught.value.format_message()


@pytest.mark.parametrize("library", ["pyarrow", "duckdb", "botocore", "dagster", "rich"])
def test_the_help_waits_for_no_library(library):
    program = "import sys; from s3pipelines.cli import cli; sys.argv = ['s3pipelines', '--help']\n"
    program += f"cli(standalone_mode=False); sys.exit({library!r} in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert ended.returncode == 0


def test_a_command_that_makes_tables_imports_no_pandas_where_there_is_one(tmp_path):
    pytest.importorskip("pandas")
    program = "import atexit, sys; from s3pipelines.cli import main\n"
    program += "atexit.register(lambda: print('pandas' in sys.modules))\n"
    program += "sys.argv = ['s3pipelines', 'sql', 'SELECT 1 AS one', '--json']; main()"
    told = {**os.environ, "S3PIPELINES_CATALOG": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=told
    )
    assert '"one": 1' in ended.stdout
    assert ended.stdout.splitlines()[-1] == "False"
