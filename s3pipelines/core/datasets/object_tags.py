"""Object tags as people write them, and what S3 takes."""

import re
from collections.abc import Iterable

from s3pipelines.core.errors import InvalidInput

MOST_TAGS = 10
_LONGEST_NAME = 128
_LONGEST_VALUE = 256
# Source: the S3 User Guide, "Categorizing your objects using tags".
_TAKEN = re.compile(r"[\w\s+\-=.:/@]*")


def parse_tags(texts: Iterable[str]) -> dict[str, str]:
    """Tags written `k=v,k=v`; a value may hold further `=`.

    Raises:
        InvalidInput: One of them has no name or value, comes twice, or is none that S3 takes.
    """
    tags: dict[str, str] = {}
    for pair in (part for text in texts for part in text.split(",") if part.strip()):
        name, separator, value = (part.strip() for part in pair.partition("="))
        if not name or not separator:
            raise InvalidInput(f"The tag {pair!r} has no value.", hint="Write --tags name=value.")
        if name in tags:
            raise InvalidInput(f"The tag {name!r} comes twice.", hint="Give it one value.")
        tags[name] = value
    refuse_bad_tags(tags)
    return tags


def refuse_bad_tags(tags: dict[str, str]) -> None:
    """Make sure that S3 takes these tags.

    Raises:
        InvalidInput: It would not.
    """
    if len(tags) > MOST_TAGS:
        raise InvalidInput(
            f"These are {len(tags)} tags; an object has at most {MOST_TAGS}.",
            hint="Keep what is more in a file for 's3pipelines sources annotate'.",
        )
    for name, value in tags.items():
        too_long = len(name) > _LONGEST_NAME or len(value) > _LONGEST_VALUE
        if too_long or not _TAKEN.fullmatch(name) or not _TAKEN.fullmatch(value):
            raise InvalidInput(
                f"S3 does not take the tag {name!r} with the value {value[:60]!r}.",
                hint="Use letters, digits, spaces and + - = . _ : / @, at most 128 in a name and "
                "256 in a value.",
            )
        if name.lower().startswith("aws:"):
            raise InvalidInput(f"The tag {name!r} is AWS's own.", hint="Choose another name.")
