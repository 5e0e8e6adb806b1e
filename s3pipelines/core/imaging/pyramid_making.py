"""Pyramids of one object: fetched, made page by page, verified, and only then published."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.imaging.caps import capped_digest, caps_by_tags, tags_of_rules
from s3pipelines.core.imaging.fetching import (
    IN_MEMORY_BYTES,
    CountedObject,
    check_input,
    refuse_unreadable,
    target_failures,
    whole,
)
from s3pipelines.core.imaging.headers import FIRST_BYTES
from s3pipelines.core.imaging.making import Means
from s3pipelines.core.imaging.outcomes import Failure, Refused
from s3pipelines.core.imaging.publishing import Publishing
from s3pipelines.core.imaging.pyramid_params import PyramidParams
from s3pipelines.core.imaging.pyramids import Input, Pyramid, make_pyramid
from s3pipelines.core.imaging.wishes import Item
from s3pipelines.core.storage.derived_files import DerivedFiles

FOLDER = "pyramids"
# Formats that are read from the first byte to the last.
_IN_ORDER = frozenset({"jpeg", "png"})


@dataclass(frozen=True)
class PyramidMaker:
    """Makes pyramids, and writes them to their place."""

    means: Means
    target: DerivedFiles

    def make(self, source: CountedObject, item: Item) -> Iterator[dict[str, Any]]:
        """See `Maker.make`; a page that fails does not stop the others, and its row comes last."""
        check_input(item, self.means.pool.limits.max_input_bytes)
        name = self._name(item)
        capped = self._with_tags(source, item)
        params = replace(
            self.means.work.pyramid.params,
            max_width_px=capped.max_width_px,
            max_height_px=capped.max_height_px,
        )
        with self._input(source, item) as image:
            yield from self._pages(image, params, capped.params_digest, name)

    def _pages(
        self, image: Input, params: PyramidParams, digest: str, name: str
    ) -> Iterator[dict[str, Any]]:
        with tempfile.TemporaryFile() as file, Publishing(self.target, file) as publishing:

            def named(pages: Sequence[int]) -> str:
                return _page_name(name, 1) if len(pages) > 1 else name

            made = make_pyramid(
                self.means.pool,
                image,
                params,
                file,
                written=lambda pages: publishing.begin(named(pages)),
            )
            yield self._published(publishing, made, digest, named(made.pages))
        later = replace(image, arriving=None)
        failed: list[dict[str, Any]] = []
        for place, page in enumerate(made.pages[1:], start=2):
            which = f"{digest}/{place}"
            with tempfile.TemporaryFile() as file, Publishing(self.target, file) as publishing:
                try:
                    made = make_pyramid(self.means.pool, later, params, file, page=page)
                except Refused as refused:
                    failed.append(_failed(refused.failure, which, f"Page {place}: "))
                    continue
                yield self._published(publishing, made, which, _page_name(name, place))
        # Last, so that the object counts as one that failed.
        yield from failed

    def _published(
        self, publishing: Publishing, made: Pyramid, digest: str, name: str
    ) -> dict[str, Any]:
        try:
            with target_failures():
                sha256, size_bytes = publishing.publish(name)
        except InvalidInput as error:
            raise Refused("no_target", str(error)) from error
        return {
            "params_digest": digest,
            "uri": f"{self.means.target_uri}/{name}",
            "size_bytes": size_bytes,
            "width_px": made.width_px,
            "height_px": made.height_px,
            "sha256": sha256,
        }

    def _name(self, item: Item) -> str:
        if item.target is None:
            raise Refused("no_target", "The object lacks a tag that the key of its pyramid needs.")
        if item.clashes:
            raise Refused(
                "no_target",
                f"Other objects would have the pyramid {item.target}, too; use a template that "
                "tells them apart, such as {key}.tif.",
            )
        name = f"{FOLDER}/{item.target}"
        try:
            self.target.require_name(_page_name(name, 9999))
        except InvalidInput as error:
            raise Refused("no_target", str(error)) from error
        return name

    def _with_tags(self, source: CountedObject, item: Item) -> Item:
        """The object with the caps of its tags as they are now, which no listing tells."""
        options = self.means.work.pyramid
        if not tags_of_rules(options):
            return item
        tags = source.read_tags()
        caps = caps_by_tags(options, tags, (item.max_width_px, item.max_height_px))
        return replace(
            item,
            max_width_px=caps[0],
            max_height_px=caps[1],
            params_digest=capped_digest(self.means.work.digest, *caps),
        )

    @contextmanager
    def _input(self, source: CountedObject, item: Item) -> Iterator[Input]:
        """The object; a large one of a format that is read in order is decoded as it arrives."""
        if item.size_bytes > IN_MEMORY_BYTES:
            head = source.read_range(0, FIRST_BYTES)
            if refuse_unreadable(head, item.extension).name in _IN_ORDER:
                with self.means.disk.hold(item.size_bytes), tempfile.TemporaryFile() as file:
                    yield Input(file, item.extension, source.arriving(file, head))
                return
        with whole(source, item, self.means.memory, self.means.disk) as data:
            yield Input(data, item.extension)


def _page_name(name: str, page: int) -> str:
    """The name of a page of several: `a/b.tiff.tif` → `a/b.tiff.page-0002.tif`."""
    stem, dot, ending = name.rpartition(".")
    if not dot or "/" in ending:
        return f"{name}.page-{page:04}"
    return f"{stem}.page-{page:04}.{ending}"


def _failed(failure: Failure, digest: str, which: str) -> dict[str, Any]:
    return {
        "params_digest": digest,
        "error": failure.reason,
        "error_detail": which + failure.detail,
    }
