"""A page of a listing read with NumPy: some 0.8 ms for 1,000 keys, where botocore takes 45 ms.

It reads only what is perfectly regular: each object once, flat, with its tags spelt as S3 spells
them. Anything else gives None, and the XML parser of `parsing` reads the page instead.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_TEXT = pa.string()
_HEAD_BYTES = 4096
_LT = ord("<")
# `<` and up to eight bytes of a tag's name, as one number.
_WORD = 8
_IRREGULAR = re.compile(rb"<!|<\?(?!xml )|CDATA")
_TIME_LENGTHS = (20, 24)
_MOST_DIGITS = 18

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


@dataclass(frozen=True)
class _Alike:
    """Entries that have the same tags.

    Attributes:
        names: The tags of each, with what ends them.
        first: Position of the first one, among the tags of the page.
        entries: How many entries there are.
    """

    names: list[bytes]
    first: int
    entries: int

    def tags_called(self, name: bytes) -> Places:
        """Their positions, among the tags of the page."""
        if name not in self.names:
            return np.empty(0, dtype=np.int64)
        start, width = self.first + self.names.index(name), len(self.names)
        return np.arange(start, start + self.entries * width, width)


class _Page:
    def __init__(self, body: bytes) -> None:
        if _IRREGULAR.search(body, 0, _HEAD_BYTES):
            raise _NotRegularError
        self._body = body
        # Room behind the end, so that eight bytes can be read from everywhere.
        self._bytes: Bytes = np.frombuffer(body + b"\0" * 2 * (_WORD + 1), dtype=np.uint8)
        self._words = np.ndarray(
            shape=(len(body) + _WORD + 1,), dtype="<u8", buffer=self._bytes.data, strides=(1,)
        )
        self._tags: Places = np.flatnonzero(self._bytes == _LT)
        self._names = self._words[self._tags + 1]
        self._alike = self._entries_alike(b"<Contents>")
        if self._alike is not None:
            self._entries = self._alike.entries
            return
        opens, closes = self._tags_called("Contents>"), self._tags_called("/Contents>")
        if len(opens) != len(closes) or np.any(opens[1:] < closes[:-1]):
            raise _NotRegularError  # No object may lie in another one.
        self._entries, self._opens, self._closes = len(opens), opens, closes

    def columns(self) -> dict[str, pa.Array]:
        key_starts, key_ends = self._texts("Key")
        time_starts, time_ends = self._texts("LastModified")
        size_starts, size_ends = self._texts("Size")
        keys = self._strings(key_starts, key_ends)
        if _has(keys, b"&"):
            raise _NotRegularError
        return {
            "Key": keys,
            "LastModified": self._times(time_starts, time_ends),
            "ETag": self._strings(*self._etags()),
            "Size": self._numbers(size_starts, size_ends),
            "StorageClass": self._classes(),
        }

    def _entries_alike(self, opening: bytes) -> "_Alike | None":
        """The tags of an entry, if all entries have the same ones: one comparison for the page."""
        closing = opening.replace(b"<", b"</")
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
        return _Alike(names, int(first), rows)

    def _name_at(self, tag: int) -> bytes:
        end = self._body.find(b">", tag)
        if end < 0:
            raise _NotRegularError
        return self._body[tag + 1 : end + 1]

    def _tags_called(self, name: str) -> Places:
        """Positions, among the tags, of those that are called `name`."""
        text = name.encode()
        found = np.flatnonzero(self._names & _mask(text) == _number(text))
        return found if self._rest_is(text, found) else found[:0]

    def _rest_is(self, name: bytes, tags: Places) -> bool:
        """Whether tags that begin like a name go on like it."""
        rest = name[_WORD:]
        if not rest:
            return True
        found = self._words[self._tags[tags] + 1 + _WORD]
        return bool((found & _mask(rest) == _number(rest)).all())

    def _texts(self, name: str, *, optional: bool = False) -> tuple[Places, Places]:
        """Where the texts of a tag begin and end, one for each object."""
        opening, closing = f"{name}>".encode(), f"/{name}>".encode()
        if self._alike is not None:
            found = self._alike.tags_called(opening)
        else:
            found = self._tags_called(f"{name}>")
        if optional and not len(found):
            return found, found
        if len(found) != self._entries or found[-1:].sum() + 1 >= len(self._tags):
            raise _NotRegularError
        if self._alike is None and (np.any(found < self._opens) or np.any(found > self._closes)):
            raise _NotRegularError
        following = found + 1
        if (
            np.any(self._names[following] & _mask(closing) != _number(closing))
            or not self._rest_is(opening, found)
            or not self._rest_is(closing, following)
        ):
            raise _NotRegularError
        return self._tags[found] + len(opening) + 1, self._tags[following]

    def _windows(self, length: int) -> Any:
        """The bytes from each place on, so many of them."""
        return np.ndarray(
            shape=(len(self._bytes) - length + 1, length),
            dtype=np.uint8,
            buffer=self._bytes.data,
            strides=(1, 1),
        )

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
        if len(lengths) and (lengths[0] not in _TIME_LENGTHS or np.any(lengths != lengths[0])):
            raise _NotRegularError
        return pc.cast(self._strings(starts, ends), pa.timestamp("us", tz="UTC"))

    def _classes(self) -> pa.Array:
        starts, ends = self._texts("StorageClass", optional=True)
        if not len(starts):
            return pa.array(["STANDARD"] * self._entries, type=_TEXT)
        # There are a handful of classes: tell them apart by their beginnings and lengths, and see
        # that those alike are the same.
        alike = self._words[starts] * np.uint64(31) + (ends - starts).astype(np.uint64)
        _, firsts, places = np.unique(alike, return_index=True, return_inverse=True)
        texts = [self._body[starts[first] : ends[first]] for first in firsts]
        for number, text in enumerate(texts):
            if not text or not self._all_are(text, starts[places == number]):
                raise _NotRegularError
        names = pa.array([text.decode() for text in texts], type=_TEXT)
        return names.take(pa.array(places))

    def _all_are(self, text: bytes, starts: Places) -> bool:
        found = self._windows(len(text) + 1)[starts]
        return bool((found == np.frombuffer(text + b"<", dtype=np.uint8)).all())

    def _numbers(self, starts: Places, ends: Places) -> pa.Array:
        """Whole numbers from 0 to 10^18, which are written in digits only."""
        lengths = ends - starts
        if not len(lengths):
            return pa.array([], type=pa.int64())
        longest = int(lengths.max())
        if longest > _MOST_DIGITS or not lengths.all():
            raise _NotRegularError
        # The last so many bytes of each; what comes before it counts nothing.
        digits = self._windows(longest)[ends - longest]
        digits = digits - np.uint8(ord("0"))
        own = np.arange(longest, 0, -1) <= lengths[:, None]
        if (digits[own] > 9).any():
            raise _NotRegularError
        powers = 10 ** np.arange(longest - 1, -1, -1, dtype=np.int64)
        return pa.array(np.where(own, digits, 0).astype(np.int64) @ powers)

    def _strings(self, starts: Places, ends: Places) -> pa.Array:
        """The texts between two positions, as an Arrow array that owns its memory."""
        lengths = ends - starts
        offsets = np.zeros(len(starts) + 1, dtype=np.int32)
        np.cumsum(lengths, out=offsets[1:])
        data = self._joined(starts, ends, lengths)
        return pa.StringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(data))

    def _joined(self, starts: Places, ends: Places, lengths: Places) -> Bytes | bytes:
        """The bytes of the texts, one after the other."""
        if len(lengths) and lengths[0] and (lengths == lengths[0]).all():
            return self._windows(int(lengths[0]))[starts].ravel()
        pairs = zip(starts.tolist(), ends.tolist(), strict=True)
        return b"".join([self._body[start:end] for start, end in pairs])


def _has(texts: pa.Array, letter: bytes) -> bool:
    """One of the texts has the letter."""
    data = texts.buffers()[2]
    return data is not None and letter in memoryview(data).tobytes()


def _number(text: bytes) -> np.uint64:
    return np.uint64(int.from_bytes(text[:_WORD], "little"))


def _mask(text: bytes) -> np.uint64:
    return np.uint64((1 << (8 * min(len(text), _WORD))) - 1)
