"""Saying how far a run is, a few times a minute and never once per object."""

import time
from collections.abc import Callable

from s3pipelines.core.imaging.report import Report
from s3pipelines.core.imaging.wishes import Kind

_EVERY_S = 15


class Spoken:
    """The `progress` of a run, as lines for a log.

    Args:
        say: Takes a line.
        kind: What is made.
        every_s: Least time between two lines, in seconds.
    """

    def __init__(self, say: Callable[[str], None], kind: Kind, every_s: float = _EVERY_S) -> None:
        self._say = say
        self._kind: Kind = kind
        self._every_s = every_s
        self._said_at = time.monotonic()

    def __call__(self, report: Report) -> None:
        """Say it, if it is time."""
        if time.monotonic() - self._said_at >= self._every_s:
            self._said_at = time.monotonic()
            self._say(told(report, self._kind))


def told(report: Report, kind: Kind) -> str:
    """A run in one line, for example `1,200 thumbnails (240/s), 3 failed, 10 archived`."""
    parts = [f"{report.made:,} {kind}s ({report.images_per_s:,.0f}/s)"]
    parts += [f"{report.failures:,} failed"] if report.failures else []
    parts += [f"{report.archived:,} archived"] if report.archived else []
    parts += [f"{report.no_images:,} no images"] if report.no_images else []
    return ", ".join(parts)
