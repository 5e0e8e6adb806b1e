"""Why an image gave nothing: the reasons that tables, reports and people are told."""

from dataclasses import dataclass
from typing import Literal, get_args

Reason = Literal[
    "access_denied",
    "archived",
    "changed",
    "corrupt",
    "crashed",
    "empty",
    "gone",
    "no_target",
    "not_an_image",
    "out_of_memory",
    "timeout",
    "too_large",
    "too_small",
    "truncated",
    "unreachable",
    "unsupported",
    "unverified",
]

REASONS: frozenset[str] = frozenset(get_args(Reason))
# They say nothing of the file: the storage could not give it, or has no place for what comes of it,
# so it is asked again each time.
STORAGE_REASONS: frozenset[str] = frozenset(
    {"access_denied", "changed", "gone", "no_target", "unreachable"}
)
# They may be due to the machine as much as to the file, so a file gets a few chances.
MACHINE_REASONS: frozenset[str] = frozenset({"crashed", "out_of_memory", "timeout"})
ATTEMPTS = 3
# No failure: the object was deleted, and then what was made of it. If it comes back, that is made
# again.
REMOVED = "removed"

DETAIL_CHARACTERS = 500


@dataclass(frozen=True)
class Failure:
    """Why one image gave nothing, in one word for counting and one sentence for reading."""

    reason: Reason
    detail: str


class Refused(Exception):
    """Ends the work on one image; carries the failure that its row will show."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(reason, detail)
        # What a library says may hold anything that stood in the file.
        line = " ".join(detail.split())
        printable = "".join(c if c.isprintable() else "?" for c in line)
        self.failure = Failure(reason, printable[:DETAIL_CHARACTERS])


_OUT_OF_MEMORY = (
    "out of memory",
    "cannot allocate",
    "failed to allocate",
    "unable to allocate",
    "not enough memory",
    "insufficient memory",
    "error creating thread",  # Its stack did not fit any more.
)
_TRUNCATED = (
    "truncated",
    "premature end",
    "unexpected end",
    "end of file",
    "end-of-file",
    "end of stream",
    "end of data",
    "not enough data",
    "not enough image data",
    "read error",
    "unexpected eof",
    "short read",
)
_UNSUPPORTED = (
    "not configured",
    "unsupported",
    "not supported",
    "support not built",
    "not in a known format",
    "no decoding plugin",
    "decoder error -2",
    "cannot identify",
    "samples out of range",  # libvips, of layouts of a TIFF that it does not know.
)


def failure_from_text(text: str) -> Refused:
    """The failure that a library's message stands for; `corrupt` where it tells no more."""
    lowered = text.lower()
    reason: Reason = "corrupt"
    if any(words in lowered for words in _OUT_OF_MEMORY):
        reason = "out_of_memory"
    elif any(words in lowered for words in _TRUNCATED):
        reason = "truncated"
    elif any(words in lowered for words in _UNSUPPORTED):
        reason = "unsupported"
    return Refused(reason, text)
