"""The commands that a document shows, and whether they print what it says."""

import re
import shlex
import subprocess
from pathlib import Path

from click.testing import CliRunner

from s3pipelines.cli import cli
from s3pipelines.core.errors import S3PipelinesError

_DOCS = Path(__file__).parents[2] / "docs"
_VARYING = (
    (re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?"), "DATE"),
    (re.compile(r"by \S+@\S+"), "by USER"),
    (re.compile(r"(duration_s|images_per_s) +\S+"), r"\1 N"),
    (re.compile(r"[─ ]+"), " "),
)


def blocks(document: str) -> list[tuple[str, str]]:
    """The blocks of code of `docs/DOCUMENT`: language and text."""
    text = (_DOCS / document).read_text(encoding="utf-8")
    return re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def transcript(document: str) -> list[tuple[str, str]]:
    """The commands of `docs/DOCUMENT`, and what it says that they print."""
    # The line after `$ `, and what follows up to the next one.
    return [
        part
        for language, block in blocks(document)
        if language == "console"
        for part in re.findall(r"^\$ (.*?)\n(.*?)(?=^\$ |\Z)", block, re.MULTILINE | re.DOTALL)
    ]


def printed(command: str) -> str:
    """What a command prints."""
    program, *arguments = shlex.split(command)
    if program == "ls":
        done = subprocess.run(["ls", *arguments], capture_output=True, text=True, check=True)
        return done.stdout
    assert program == "s3pipelines"
    ran = CliRunner().invoke(cli, arguments)
    if isinstance(ran.exception, S3PipelinesError):
        return f"Error: {ran.exception}"
    assert ran.exception is None or isinstance(ran.exception, SystemExit), ran.exception
    return ran.output


def steady(text: str) -> list[str]:
    """Lines without what differs from day to day, and the width of columns that follows from it."""
    for pattern, instead in _VARYING:
        text = pattern.sub(instead, text)
    return [line.strip() for line in text.splitlines() if line.strip()]
