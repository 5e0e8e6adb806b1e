"""What the sensor, the checks, the gallery and people ask of a catalog of many images.

Each says how long its question took, without the interpreter and the imports, and what came out,
so that a wrong answer is no good time.
"""

import time
from collections.abc import Callable
from contextlib import closing
from typing import Any

from benchmarks.contenders.million import READER_VERSION, SOURCE
from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.imaging.checks import unreadable
from s3pipelines.core.imaging.missing import count_missing, missing
from s3pipelines.core.imaging.summary import by_format
from s3pipelines.core.imaging.thumbnails import ThumbnailParams
from s3pipelines.core.imaging.wanted import Answers, search
from s3pipelines.core.imaging.wishes import Kind, Work
from s3pipelines.core.preview.gallery import Gallery, PageRequest
from s3pipelines.core.preview.items import Show
from s3pipelines.core.preview.page_tokens import token_of_key
from s3pipelines.core.preview.samples import choose
from s3pipelines.core.sources.registry import list_sources
from s3pipelines.core.sql.session import open_session
from s3pipelines.core.storage.locations import parse_location

# Half of the keys come before it.
_MIDDLE_KEY = "80"


def ask(catalog: str, question: str, detail: str) -> dict[str, Any]:
    """Put one of the questions below; `detail` is the kind of work, what to show, or SQL."""
    home = Catalog(parse_location(catalog))
    return _QUESTIONS[question](home, detail)


def _timed(question: Callable[[], Any]) -> dict[str, Any]:
    started = time.perf_counter()
    answer = question()
    return {"seconds": [time.perf_counter() - started], "answer": answer}


def _count_missing(home: Catalog, kind: str) -> dict[str, Any]:
    work = Work(SOURCE, _kind(kind), patient=True)
    return _timed(lambda: count_missing(home, work, READER_VERSION))


def _first_missing(home: Catalog, kind: str) -> dict[str, Any]:
    """The first of a slice, as `work.run` asks for it."""
    work = Work(SOURCE, _kind(kind))

    def first() -> str:
        with closing(missing(home, work, READER_VERSION, limit=5000)) as items:
            return next(items).key

    return _timed(first)


def _search(home: Catalog, _: str) -> dict[str, Any]:
    """Two ticks of the sensor; the second one trusts what the first one found."""
    seconds: list[float] = []
    answers, findings = Answers(), 0
    for _tick in range(2):
        started = time.perf_counter()
        sources = list_sources(home)
        found = search(home, sources, answers, READER_VERSION, 60, lambda *_: False)
        seconds.append(time.perf_counter() - started)
        if found.problems:
            raise AssertionError(found.problems)
        answers = Answers.from_cursor(found.answers.to_cursor())
        findings += len(found.findings)
    return {"seconds": seconds, "answer": findings}


def _unreadable(home: Catalog, _: str) -> dict[str, Any]:
    return _timed(lambda: sum(one.images for one in unreadable(home, list_sources(home))))


def _by_format(home: Catalog, _: str) -> dict[str, Any]:
    return _timed(lambda: sum(group.images for group in by_format(home, SOURCE)))


def _choose(home: Catalog, _: str) -> dict[str, Any]:
    return _timed(lambda: len(choose(home, SOURCE, ThumbnailParams())))


def _pages(home: Catalog, shown: str) -> dict[str, Any]:
    """The first page, one from the middle, and the one after it, by the same gallery."""
    show: Show = "failed" if shown == "failed" else "images" if shown == "images" else "all"
    seconds: list[float] = []
    items = 0
    with Gallery(home) as gallery:
        token: str | None = None
        for after in (None, token_of_key(_MIDDLE_KEY), "next"):
            request = PageRequest(after=token if after == "next" else after, show=show)
            started = time.perf_counter()
            page = gallery.page(SOURCE, request)
            seconds.append(time.perf_counter() - started)
            token = page.next_token
            items += len(page.items)
    return {"seconds": seconds, "answer": items}


def _middle_page(home: Catalog, _: str) -> dict[str, Any]:
    with Gallery(home) as gallery:
        request = PageRequest(after=token_of_key(_MIDDLE_KEY))
        return _timed(lambda: len(gallery.page(SOURCE, request).items))


def _sql(home: Catalog, statement: str) -> dict[str, Any]:
    def answer() -> int:
        with open_session(home) as session:
            return session.run(statement).read_all().column(0)[0].as_py()

    return _timed(answer)


def _kind(text: str) -> Kind:
    return "header" if text == "header" else "thumbnail"


_QUESTIONS: dict[str, Callable[[Catalog, str], dict[str, Any]]] = {
    "count_missing": _count_missing,
    "first_missing": _first_missing,
    "search": _search,
    "unreadable": _unreadable,
    "by_format": _by_format,
    "choose": _choose,
    "pages": _pages,
    "middle_page": _middle_page,
    "sql": _sql,
}
