"""Where an object goes on this machine: its key as a path that can never leave a folder.

Keys are texts of strangers. `a//b`, `../x`, `/etc/x`, `CON` or a newline are fine keys, and no
names of files that anybody wants; such an object is not downloaded, and its row says why.
"""

import os
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

# Beside the downloaded files, in the same file system: parts, and what is known of what is whole.
STATE_FOLDER = ".s3pipelines"
_LONGEST_NAME_BYTES = 255
_LONGEST_PATH_BYTES = 4095
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"]
    + [f"{port}{number}" for port in ("com", "lpt") for number in "123456789¹²³"]
)


@dataclass(frozen=True)
class NoPath:
    """Why a key has no path: in one word, and in a sentence."""

    error: str
    detail: str


def why_no_path(name: str, folder_bytes: int = 0) -> NoPath | None:
    """Why a key cannot be the path of a file; None if it can.

    Args:
        name: The key below the source's prefix.
        folder_bytes: How long the path of the folder is that it goes to.
    """
    rules: tuple[tuple[bool, str], ...] = (
        (not name, "There is nothing after the source's prefix."),
        (_has_control(name), "Its key holds a control character."),
        (name.startswith("/"), "Its key is an absolute path."),
        *_about_segments(name.split("/")),
        (
            folder_bytes + 1 + len(os.fsencode(name)) > _LONGEST_PATH_BYTES,
            f"Its path would have more than {_LONGEST_PATH_BYTES:,} bytes.",
        ),
    )
    return next((NoPath("name", why) for broken, why in rules if broken), None)


def _has_control(name: str) -> bool:
    return not name.isprintable() and any(unicodedata.category(one) == "Cc" for one in name)


def _about_segments(segments: list[str]) -> Iterator[tuple[bool, str]]:
    yield not {"", ".", ".."}.isdisjoint(segments), "A part of its key is empty, '.' or '..'."
    yield any(map(is_device, segments)), "A part of its key is the name of a device."
    own = segments[0].casefold() == STATE_FOLDER
    yield own, f"{STATE_FOLDER} is where the download keeps its own state."
    longest = max(len(os.fsencode(segment)) for segment in segments)
    yield longest > _LONGEST_NAME_BYTES, "A part of its key has more than 255 bytes."


def is_device(segment: str) -> bool:
    """Windows takes `nul`, `NUL.txt` and `com1 .log` for devices, wherever they lie."""
    return segment.partition(".")[0].strip().casefold() in _DEVICES


def _folded(name: str) -> str:
    """What a file system may take for the same, that ignores case or normalises accents."""
    return unicodedata.normalize("NFC", name.casefold())


@dataclass
class Crowd:
    """All names that are downloaded together: which of them get into each other's way.

    Names are kept as hashes, 60 MB for a million of them; that two meet by chance, one in some
    billions of downloads, would leave one of them out with a reason.
    """

    _folders: set[int] = field(default_factory=set)
    _files: set[int] = field(default_factory=set)

    def note(self, names: Iterable[str]) -> None:
        """Take in the folders of all names, before any is judged."""
        for name in names:
            folded = _folded(name)
            at = folded.rfind("/")
            while at > 0:
                folder = hash(folded[:at])
                if folder in self._folders:
                    break  # So are those above it.
                self._folders.add(folder)
                at = folded.rfind("/", 0, at)

    def why_not(self, name: str) -> NoPath | None:
        """Why a name has no place of its own; the first one of those that look alike has it."""
        folded = hash(_folded(name))
        if folded in self._folders:
            return NoPath("clash", "Other keys have it for a folder, so that it can be no file.")
        if folded in self._files:
            detail = "Another key differs only by case, or by the way accents are written."
            return NoPath("clash", detail)
        self._files.add(folded)
        return None
