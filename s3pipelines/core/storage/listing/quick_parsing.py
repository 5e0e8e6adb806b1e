"""A page of a listing read with NumPy: some 0.5 ms for 1,000 keys, where botocore takes 45 ms.

It reads only what is perfectly regular: each object once, flat, with its tags spelt as S3 spells
them. Anything else gives None, and the XML parser of `parsing` reads the page instead.
"""

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_ENTRY = "Contents"
_TEXT, _TIME = pa.string(), pa.timestamp("us", tz="UTC")
_COLUMNS = {
    "Key": _TEXT,
    "LastModified": _TIME,
    "ETag": _TEXT,
    "Size": pa.int64(),
    "StorageClass": _TEXT,
}
_HEAD_BYTES = 4096
_LT = ord("<")
# `<` and up to eight bytes of a tag's name, as one number.
_WORD = 8
_IRREGULAR = re.compile(rb"<!|<\?(?!xml )|CDATA")
_TIME_LENGTHS = (20, 24)

Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]
Places = np.ndarray[tuple[int], np.dtype[np.int64]]


class _NotRegularError(Exception):
    """The page has to be read by an XML parser."""


def columns_of(body: bytes) -> dict[str, pa.Array] | None:
    """The objects of a page: `Key`, `LastModified`, `ETag`, `Size` and `StorageClass`.

    Keys are as they stand there, URL-encoded or not.

    Args:
        body: A `ListBucketResult`.

    Returns:
        Arrays of equal length, in the order of the page; None if the page is not regular.
    """
    try:
        return _Page(body).columns()
    except (_NotRegularError, pa.ArrowInvalid):
        return None


class _Page:
    def __init__(self, body: bytes) -> None:
        if _IRREGULAR.search(body, 0, _HEAD_BYTES):
            raise _NotRegularError
        self._body = body
        self._is_ascii = body.isascii()
        # Room behind the end, so that eight bytes can be read from everywhere.
        self._buffer = pa.py_buffer(body + b"\0" * 2 * (_WORD + 1))
        self._bytes: Bytes = np.frombuffer(self._buffer, dtype=np.uint8)
        self._words = np.ndarray(
            shape=(len(body) + _WORD + 1,), dtype="<u8", buffer=self._bytes.data, strides=(1,)
        )
        self._tags: Places = np.flatnonzero(self._bytes == _LT)
        self._names = self._words[self._tags + 1]
        self._entries = self._alike() or self._unlike()

    def columns(self) -> dict[str, pa.Array]:
        if not self._entries.number:
            return {name: pa.nulls(0, kind) for name, kind in _COLUMNS.items()}
        keys = self._strings(*self._texts("Key"))
        if _has(keys, b"&"):
            raise _NotRegularError
        return {
            "Key": keys,
            "LastModified": self._times(*self._texts("LastModified")),
            "ETag": self._strings(*self._etags()),
            "Size": self._numbers(*self._texts("Size")),
            "StorageClass": self._classes(),
        }

    def _alike(self) -> "_Alike | None":
        """The entries, if all have the same tags: one comparison for the whole page."""
        opening, closing = f"<{_ENTRY}>".encode(), f"</{_ENTRY}>".encode()
        start, end = self._body.find(opening), self._body.rfind(closing)
        if start < 0 or end < start:
            return None
        first, last = np.searchsorted(self._tags, (start, end))
        next_entry = self._body.find(opening, start + 1)
        width = int(np.searchsorted(self._tags, next_entry) if next_entry >= 0 else last + 1)
        width -= int(first)
        rows, odd = divmod(int(last - first) + 1, width)
        if odd:
            return None
        names = [self._name_at(int(tag)) for tag in self._tags[first : first + width]]
        masks = np.array([_mask(name) for name in names])
        block = self._names[first : first + rows * width].reshape(rows, width) & masks
        if len(set(names)) < width or (block != block[0]).any():
            return None
        return _Alike(rows, names, self._tags[first : first + rows * width].reshape(rows, width))

    def _unlike(self) -> "_Unlike":
        """The entries, one by one."""
        opens, closes = self._tags_called(f"{_ENTRY}>"), self._tags_called(f"/{_ENTRY}>")
        if len(opens) != len(closes) or np.any(opens[1:] < closes[:-1]):
            raise _NotRegularError  # No object may lie in another one.
        return _Unlike(len(opens), opens, closes)

    def _name_at(self, tag: int) -> bytes:
        end = self._body.find(b">", tag)
        if end < 0:
            raise _NotRegularError
        return self._body[tag + 1 : end + 1]

    def _tags_called(self, name: str) -> Places:
        """Positions, among the tags, of those that are called `name`."""
        text = name.encode()
        found = np.flatnonzero(self._names & _mask(text) == _number(text))
        return found if self._rest_is(text, self._tags[found]) else found[:0]

    def _rest_is(self, name: bytes, places: Places) -> bool:
        """Whether tags that begin like a name go on like it."""
        rest = name[_WORD:]
        if not rest:
            return True
        found = self._words[places + 1 + _WORD]
        return bool((found & _mask(rest) == _number(rest)).all())

    def _texts(self, name: str) -> tuple[Places, Places]:
        """Where the texts of a tag begin and end, one for each object."""
        opening, closing = f"{name}>".encode(), f"/{name}>".encode()
        if isinstance(self._entries, _Alike):
            opens, closes = self._entries.tags_called(opening, closing)
        else:
            opens, closes = self._unlike_tags(self._entries, opening, closing)
        if not self._rest_is(opening, opens) or not self._rest_is(closing, closes):
            raise _NotRegularError
        return opens + len(opening) + 1, closes

    def _unlike_tags(
        self, entries: "_Unlike", opening: bytes, closing: bytes
    ) -> tuple[Places, Places]:
        found = self._tags_called(opening.decode())
        if len(found) != entries.number or found[-1:].sum() + 1 >= len(self._tags):
            raise _NotRegularError
        if np.any(found < entries.opens) or np.any(found > entries.closes):
            raise _NotRegularError
        if np.any(self._names[found + 1] & _mask(closing) != _number(closing)):
            raise _NotRegularError
        return self._tags[found], self._tags[found + 1]

    def _has_tag(self, name: str) -> bool:
        if isinstance(self._entries, _Alike):
            return f"{name}>".encode() in self._entries.names
        return bool(len(self._tags_called(f"{name}>")))

    def _etags(self) -> tuple[Places, Places]:
        """The ETags within their quotes, which servers write in one of two ways, or leave out."""
        starts, ends = self._texts("ETag")
        for quote in (b"&quot;", b'"'):
            length = len(quote)
            before = self._words[starts] & _mask(quote) == _number(quote)
            after = self._words[ends - length] & _mask(quote) == _number(quote)
            if before.all() and after.all() and (ends - starts >= 2 * length).all():
                return starts + length, ends - length
            if before.any() or after.any():
                raise _NotRegularError
        return starts, ends

    def _times(self, starts: Places, ends: Places) -> pa.Array:
        lengths = ends - starts
        if lengths[0] not in _TIME_LENGTHS or np.any(lengths != lengths[0]):
            raise _NotRegularError
        return pc.cast(self._strings(starts, ends), _TIME)

    def _classes(self) -> pa.Array:
        if not self._has_tag("StorageClass"):
            return pa.repeat(pa.scalar("STANDARD", _TEXT), self._entries.number)
        starts, ends = self._texts("StorageClass")
        if np.any(starts == ends):
            raise _NotRegularError
        return self._strings(starts, ends)

    def _numbers(self, starts: Places, ends: Places) -> pa.Array:
        """Whole numbers, which are written in digits only."""
        texts = self._strings(starts, ends)
        digits = texts.buffers()[2]
        if (np.frombuffer(digits, dtype=np.uint8) - np.uint8(ord("0")) > 9).any():
            raise _NotRegularError
        return pc.cast(texts, pa.int64())

    def _strings(self, starts: Places, ends: Places) -> pa.Array:
        """The texts between two positions, as an Arrow array that owns its memory.

        The page is looked at as an array of the texts and of what lies between them, of which
        Arrow takes every other one.
        """
        rows = len(starts)
        offsets = np.empty(2 * rows, dtype=np.int32)
        offsets[0::2], offsets[1::2] = starts, ends
        both = pa.StringArray.from_buffers(2 * rows - 1, pa.py_buffer(offsets), self._buffer)
        texts = both.take(_every_other(rows))
        if not self._is_ascii:
            texts.validate(full=True)
        return texts


@dataclass(frozen=True)
class _Alike:
    """Entries that have the same tags.

    Attributes:
        number: How many there are.
        names: The tags of each, with what ends them.
        tags: Where they stand, by entry and tag.
    """

    number: int
    names: list[bytes]
    tags: np.ndarray[tuple[int, int], np.dtype[np.int64]]

    def tags_called(self, opening: bytes, closing: bytes) -> tuple[Places, Places]:
        """Where a tag of each entry stands, and the one that closes it."""
        if opening not in self.names or self.names[-1] == opening:
            raise _NotRegularError
        at = self.names.index(opening)
        if self.names[at + 1] != closing:
            raise _NotRegularError
        return self.tags[:, at], self.tags[:, at + 1]


@dataclass(frozen=True)
class _Unlike:
    """Entries that differ in their tags.

    Attributes:
        number: How many there are.
        opens: Positions, among the tags of the page, of those that they begin with.
        closes: And end with.
    """

    number: int
    opens: Places
    closes: Places


@lru_cache(maxsize=4)
def _every_other(rows: int) -> pa.Array:
    # Not by `pa.array`, for which Arrow imports pandas where there is one: 0.3 s.
    places = pa.py_buffer(np.arange(0, 2 * rows, 2, dtype=np.int32))
    return pa.Array.from_buffers(pa.int32(), rows, [None, places])


def _has(texts: pa.Array, letter: bytes) -> bool:
    """One of the texts has the letter."""
    data = texts.buffers()[2]
    return data is not None and letter in data.to_pybytes()


def _number(text: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(text[:_WORD], "little"))


@lru_cache(maxsize=64)
def _mask(text: bytes) -> np.uint64:
    return np.uint64((1 << (8 * min(len(text), _WORD))) - 1)
