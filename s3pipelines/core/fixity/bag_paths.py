"""The path of an object in a bag: its key, percent-encoded where it cannot be the path of a file.

BagIt asks that a manifest writes `%`, CR and LF of a path as `%25`, `%0D` and `%0A`, and leaves to
whoever makes the bag which paths there are (RFC 8493, section 2.1.3). Since keys can hold anything,
what of a key cannot be in a path is percent-encoded in the path itself, as in an address. Which key
a path belongs to is told by a table in the bag, not by decoding it.
"""

import os
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import unquote

from s3pipelines.core.datasets.local_paths import (
    STATE_FOLDER,
    Crowd,
    NoPath,
    is_device,
    why_no_path,
)
from s3pipelines.core.datasets.members import Member, Members

# Slashes that do not stand between two names.
_LONE_SLASHES = re.compile(r"^/+|(?<=/)/+|/+$")


def named_for_bag(members: Members, folder_bytes: int) -> Iterator[tuple[Member, NoPath | None]]:
    """Give each a path of its own; only one that is too long has none.

    The same members always have the same paths.
    """
    crowd = Crowd()
    crowd.note(_path(member.name) for member in members)
    for member in members:
        path = _path(member.name)
        why = why_no_path(path, folder_bytes)
        if why is None and crowd.why_not(path) is not None:
            path = _spelled_out(member.name)
            why = why_no_path(path, folder_bytes) or crowd.why_not(path)
        yield replace(member, name=path), why


def in_manifest(path: str) -> str:
    """A path as a manifest has it."""
    return path.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _path(key: str) -> str:
    return key if why_no_path(key) is None else encoded_path(key)


def encoded_path(key: str) -> str:
    """A key as a path of which every part can be the name of a file, unless it is too long."""
    path = "/".join(map(_encoded, key.split("/")))
    return _LONE_SLASHES.sub(lambda found: "%2F" * len(found[0]), path)


def _encoded(segment: str) -> str:
    if segment in (".", ".."):
        return _hex(segment)
    text = "".join(_hex(one) if one == "%" or _is_control(one) else one for one in segment)
    if is_device(segment) or segment.casefold() == STATE_FOLDER:
        text = _hex(text[0]) + text[1:]
    return text


def _spelled_out(key: str) -> str:
    """The same with every character of the name in hexadecimal, so that it looks like no other."""
    head, separator, name = encoded_path(key).rpartition("/")
    return f"{head}{separator}{_hex(unquote(name))}"


def _is_control(character: str) -> bool:
    return unicodedata.category(character) == "Cc"


def _hex(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in os.fsencode(text))
