"""The local files that are to be registered: under which keys, and which of them cannot be."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from s3pipelines.core.errors import InvalidInput, printable

_LONGEST_KEY_BYTES = 1024
# Whether a key of so many bytes is wanted.
Holds = Callable[[str, int], bool]


@dataclass(frozen=True)
class LocalFile:
    """One file, and the key that it gets.

    Attributes:
        size_bytes: When it was found.
        modified_ns: When it was written last, as its file system says.
    """

    path: Path
    key: str
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True)
class Unusable:
    """Something that cannot be registered, and why."""

    path: Path
    key: str | None
    error: str
    detail: str


def find_files(
    prefix: str, paths: Iterable[str | Path], holds: Holds = lambda _, __: True
) -> tuple[list[LocalFile], list[Unusable]]:
    """The files that `paths` name, by key; what is in folders keeps its place.

    A file gets its own name, a folder `scans` keeps its name and structure (`scans/a/b.tif`), and
    `scans/.` means what is in it.

    Args:
        prefix: What their keys begin with.
        paths: Files and folders.
        holds: Says which keys are wanted; what is not is unusable.

    Raises:
        InvalidInput: One of the paths does not exist, there is no file at all, or two files would
            get one key.
    """
    files: dict[str, LocalFile] = {}
    unusable: list[Unusable] = []
    for path in paths:
        for found, name in _named(path):
            one = found if isinstance(found, Unusable) else _judged(holds, found, prefix + name)
            if isinstance(one, Unusable):
                unusable.append(one)
                continue
            if (other := files.setdefault(one.key, one)) is not one and other.path != one.path:
                raise InvalidInput(
                    f"{one.path} and {other.path} would both become {one.key!r}.",
                    hint="Send them one after the other, to folders of their own.",
                )
    if not files and not unusable:
        raise InvalidInput("There is no file to send.", hint="Name files, or folders of them.")
    return [files[key] for key in sorted(files)], unusable


def folder_below(below: str) -> str:
    """A folder that somebody named, as keys have it: `a/b/`; empty for none.

    Raises:
        InvalidInput: It is none.
    """
    segments = below.strip("/").split("/")
    if below and any(segment in ("", ".", "..") for segment in segments):
        raise InvalidInput(
            f"{below!r} is no folder below the source.", hint="Write for example a/b."
        )
    return f"{below.strip('/')}/" if below else ""


def _named(text: str | Path) -> Iterator[tuple[Path | Unusable, str]]:
    """Each file of a path that somebody named, with what it is called from there."""
    path = Path(text)
    if not path.exists():
        raise InvalidInput(
            f"There is no file or folder {printable(str(path))}.", hint="Check how it is written."
        )
    if not path.is_dir():
        yield path, path.name
        return
    # As for the shell's own tools; a `Path` has forgotten the dot.
    has_name = path.name not in ("", "..") and not str(text).endswith("/.")
    name = path.name if has_name else ""
    yield from _walked(path, f"{name}/" if name else "")


def _walked(folder: Path, name: str) -> Iterator[tuple[Path | Unusable, str]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        yield _unusable(folder, None, "unreadable", error.strerror or str(error)), name
        return
    for entry in entries:
        path = Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _walked(path, f"{name}{entry.name}/")
        elif entry.is_dir():
            detail = "It is a link to a folder, which could lead in circles; name it by itself."
            yield _unusable(path, None, "link", detail), name
        else:
            yield path, f"{name}{entry.name}"


def _judged(holds: Holds, path: Path, key: str) -> LocalFile | Unusable:
    try:
        encoded = key.encode()
    except UnicodeEncodeError:
        return _unusable(path, None, "name", "Its name is not UTF-8, as keys of S3 are.")
    if len(encoded) > _LONGEST_KEY_BYTES:
        return _unusable(path, key, "name", "Its key would have more than 1,024 bytes.")
    try:
        found = path.stat()
    except OSError as error:
        return _unusable(path, key, "unreadable", f"It cannot be read ({error.strerror or error}).")
    if not stat.S_ISREG(found.st_mode):
        return _unusable(path, key, "no_file", "It is no regular file.")
    if not holds(key, found.st_size):
        detail = "The source leaves such keys out (--include, --exclude, markers of folders)."
        return _unusable(path, key, "excluded", detail)
    return LocalFile(path, key, found.st_size, found.st_mtime_ns)


def _unusable(path: Path, key: str | None, error: str, detail: str) -> Unusable:
    return Unusable(path, key, error, detail)
