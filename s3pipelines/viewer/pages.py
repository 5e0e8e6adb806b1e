"""The two pages: all sources, and one source."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from starlette.responses import Response

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.preview.gallery import Gallery, PageRequest
from s3pipelines.core.preview.items import GalleryItem, Show
from s3pipelines.core.sources.registry import read_registry
from s3pipelines.viewer.templating import render
from s3pipelines.viewer.zoom import zoom_address

_FILTERS: dict[Show, str] = {
    "all": "All",
    "images": "Images",
    "pyramids": "Pyramids",
    "failed": "Failed",
}
_NOTHING: dict[Show, str] = {
    "all": "No object of this source is in the index.",
    "images": "No thumbnail was made of this source.",
    "pyramids": "No pyramid was made of this source: s3pipelines images pyramids makes them.",
    "failed": "Nothing failed.",
}
_PAGE_SIZE = re.compile(r"[0-9]{1,4}")


def start_page(catalog: Catalog, gallery: Gallery) -> Response:
    """All sources, with what the index has of them.

    Raises:
        StorageError: The catalog cannot be read.
    """
    registry = read_registry(catalog)
    return render(
        "sources.html",
        sources=registry.sources,
        counts=gallery.counts() if registry.sources else {},
        unreadable=registry.unreadable,
    )


@dataclass(frozen=True)
class _Tile:
    item: GalleryItem
    source_id: str

    @property
    def folder(self) -> str:
        return self.item.name[: len(self.item.name) - len(self.file)]

    @property
    def file(self) -> str:
        """The last part of the name; of a folder marker (`a/b/`) the folder."""
        last = self.item.name.rstrip("/").rfind("/")
        return self.item.name[last + 1 :] or self.item.key

    @property
    def picture(self) -> str | None:
        """Its address; names of thumbnails need no quoting."""
        if self.item.thumbnail is None:
            return None
        kind, params, _, file = self.item.thumbnail.split("/")
        return f"/sources/{self.source_id}/{kind}/{params}/{file}"

    @property
    def zoom(self) -> str | None:
        """The address of the page that zooms into its pyramid."""
        if self.item.pyramid is None:
            return None
        return zoom_address(self.source_id, self.item.key)


def source_page(gallery: Gallery, source_id: str, query: Mapping[str, str]) -> Response:
    """One page of one source, as `core.preview.gallery` gives it.

    Raises:
        NotFound: There is no such source.
        InvalidInput: The query holds something that is not valid.
        StorageError: The catalog cannot be read.
    """
    request = _page_request(query)
    page = gallery.page(source_id, request)
    narrowed = {"prefix": request.prefix, "show": request.show, "size": query.get("size", "")}

    def link(**changes: str | None) -> str:
        # Without what says nothing: addresses stay short and the same.
        said = {k: v for k, v in {**narrowed, **changes}.items() if v and (k, v) != ("show", "all")}
        return f"/sources/{page.source.id}" + (f"?{urlencode(said)}" if said else "")

    return render(
        "source.html",
        source=page.source,
        tiles=[_Tile(item, page.source.id) for item in page.items],
        total=page.total,
        request=request,
        size=narrowed["size"],
        filters=[(show, label, link(show=show)) for show, label in _FILTERS.items()],
        first=link() if request.after is not None or request.before is not None else None,
        previous=link(before=page.previous_token) if page.previous_token is not None else None,
        next=link(after=page.next_token) if page.next_token is not None else None,
        everything=f"/sources/{page.source.id}",
        nothing=_nothing(request),
    )


def _nothing(request: PageRequest) -> str:
    if request.after is not None or request.before is not None:
        return "There is nothing more on this side."
    if request.prefix:
        return "No key begins so." if request.show == "all" else "Nothing of that kind begins so."
    return _NOTHING[request.show]


def _page_request(query: Mapping[str, str]) -> PageRequest:
    given: dict[str, Any] = {}
    if size := query.get("size"):
        if not _PAGE_SIZE.fullmatch(size):
            raise InvalidInput(f"A page cannot have {size[:40]!r} items.", hint="Use a number.")
        given["page_size"] = int(size)
    # A form sends its empty fields, too; and the empty token, of the empty key, says nothing.
    return PageRequest(
        after=query.get("after") or None,
        before=query.get("before") or None,
        prefix=query.get("prefix", ""),
        show=cast("Show", query.get("show") or "all"),
        **given,
    )
