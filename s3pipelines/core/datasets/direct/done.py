"""What was done with a ticket, kept beside it: whoever repeats an upload goes on with it.

One line of JSON for each part and each object. A process may be killed at any moment: a line that
is not whole is as if it were not there, and its part is sent again.
"""

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s3pipelines.core.datasets.local_files import LocalFile
from s3pipelines.core.errors import InvalidInput

SUFFIX = ".done"


@dataclass(frozen=True)
class DonePart:
    """A part that was sent: what S3 called it, and the MD5 of its bytes in hexadecimal."""

    etag: str
    md5: str


class Done:
    """The lines beside one ticket.

    Args:
        ticket: The path of the ticket.

    Raises:
        InvalidInput: There may be no such file beside it.
    """

    def __init__(self, ticket: Path) -> None:
        self._path = ticket.with_name(ticket.name + SUFFIX)
        self._turn = threading.Lock()
        try:
            with self._path.open("a+b") as opened:
                opened.seek(0)
                text = opened.read()
                if text and not text.endswith(b"\n"):
                    opened.write(b"\n")
            self._lines = _lines(text.decode("utf-8", "replace"))
        except OSError as error:
            raise InvalidInput(
                f"{self._path} cannot be written ({error.strerror or error}).",
                hint="What was sent is noted there: copy the ticket to a folder of yours.",
            ) from error

    def parts(self, upload_id: str) -> dict[int, DonePart]:
        """The parts of an upload that were sent, the latest of each number."""
        return {
            line["part"]: DonePart(line["etag"], line["md5"])
            for line in self._lines
            if line.get("upload_id") == upload_id and "part" in line
        }

    def has_sent(self, what: str, file: LocalFile) -> str | None:
        """The ETag of what was made of exactly this file; None if nothing was.

        Args:
            what: The id of an upload, or what else tells a ticket from others.
            file: The file as it is now.
        """
        for line in self._lines:
            if line.get("object") == what and line.get("file") == _as_is(file):
                return line["etag"]
        return None

    def note_part(self, upload_id: str, number: int, part: DonePart) -> None:
        """Note a part that S3 has.

        Raises:
            OSError: The disk is full, for example.
        """
        self._add({"upload_id": upload_id, "part": number, "etag": part.etag, "md5": part.md5})

    def note_object(self, what: str, file: LocalFile, etag: str) -> None:
        """Note an object that S3 has; see `has_sent`.

        Raises:
            OSError: The disk is full, for example.
        """
        self._add({"object": what, "file": _as_is(file), "etag": etag})

    def _add(self, line: dict[str, Any]) -> None:
        text = json.dumps(line) + "\n"
        with self._turn, self._path.open("a", encoding="utf-8") as opened:
            opened.write(text)  # In one piece, when it is closed.


def _as_is(file: LocalFile) -> list[int | str]:
    return [str(file.path.resolve()), file.size_bytes, file.modified_ns]


def _lines(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for written in text.splitlines():
        try:
            line = json.loads(written)
        except ValueError:
            continue
        if isinstance(line, dict) and "etag" in line:
            found.append(line)
    return found
