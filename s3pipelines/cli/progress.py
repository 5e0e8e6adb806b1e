"""A progress bar on the terminal; into a pipe or a file, nothing."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from s3pipelines.core.datasets.progress import Progress


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far something is, with its rate and the time that is left, on standard error.

    Yields:
        Takes how many are done; `total` grows with it if there turn out to be more.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    rate = TextColumn("{task.fields[rate]}")
    with Progress(*columns, rate, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total, rate="")

        def advance(done: int) -> None:
            speed = bar.tasks[0].speed
            rate_text = f"{speed:,.0f}/s" if speed else ""
            bar.update(task, completed=done, total=max(total, done), rate=rate_text)

        yield advance


@contextmanager
def byte_bar(what: str) -> Iterator[Progress]:
    """Show how many bytes are done, with the rate and the time that is left, on standard error."""
    if not sys.stderr.isatty():
        yield Progress()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    timing = (TransferSpeedColumn(), TimeRemainingColumn())
    with Bars(*columns, *timing, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        yield Progress(
            lambda total: bar.update(task, total=total),
            lambda more: bar.update(task, advance=more),
        )
