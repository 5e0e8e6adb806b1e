"""Where the keys that nobody has listed yet may lie: a model of keys, learnt from those seen.

Keys are made of parts between slashes. What follows in a part depends on the part so far where that
was seen often (a word), and else on the place in the part and the character before it (a number, a
hash). By that, a key has a position between 0 and 1 as in arithmetic coding (Rissanen and Langdon,
1979), and a position has a key; half way between two positions lies half of what is expected.

Something is always left for what was never seen. A run of characters that never varied gets it
once, not once a character: else a prefix of 900 characters would draw all the guesses.

A model that is wrong costs requests, never keys: the ranges cover every key whatever it says.
"""

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

_ANYWHERE = "-./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
# Less is left for the unseen after so many pages, down to a tenth.
_EARLY_PAGES = 10
_UNSEEN = 0.1
# What a part that was seen so often says counts as much as what its place says.
_TRUSTED = 2
_MOST_LETTERS = 200
_LONGEST = 1024
_LONGEST_RUN = 128
# A kilobyte each; of a listing that goes on for long, only those around where it is are asked for.
_MOST_SPREADS = 4000
# Positions closer than this are the same to a float, and to a listing.
_FINEST = 1e-9

# The number of a part, and what it begins with.
Stem = tuple[int, str]
_NOTHING: Counter[str] = Counter()


@dataclass(frozen=True)
class _Spread:
    """The characters of a place, and the share of the keys up to each of them."""

    characters: str
    upto: "array[float]"

    def share(self, character: str) -> tuple[float, float]:
        """What comes before a character, and what it has itself."""
        at = bisect_right(self.characters, character)
        before = self.upto[at - 1] if at else 0.0
        if at and self.characters[at - 1] == character:
            start = self.upto[at - 2] if at > 1 else 0.0
            return start, before - start
        return before, 0.0

    def at(self, position: float) -> tuple[str, float, float]:
        """The character at a position, what comes before it, and what it has itself."""
        number = min(bisect_right(self.upto, position), len(self.characters) - 1)
        before = self.upto[number - 1] if number else 0.0
        return self.characters[number], before, self.upto[number] - before


class KeyModel:
    """Learns from keys, and tells where to divide what lies between two of them."""

    def __init__(self) -> None:
        self._after_stem: dict[Stem, Counter[str]] = {}
        self._at_place: dict[tuple[int, int, str], Counter[str]] = {}
        self._spreads: dict[Stem, _Spread] = {}
        self._pages = self._pages_known = 0
        # What may stand where nothing is known yet.
        self._letters = set(_ANYWHERE)

    def learn(self, keys: Sequence[str]) -> None:
        """Take keys into account; a few of each page will do."""
        for key in keys:
            if len(self._letters) < _MOST_LETTERS:
                self._letters.update(key)
            for number, part in enumerate(key[:_LONGEST].split("/")):
                before = ""
                for at, character in enumerate(f"{part}/"):
                    self._after_stem.setdefault((number, part[:at]), Counter())[character] += 1
                    place = (number, at, before)
                    self._at_place.setdefault(place, Counter())[character] += 1
                    before = character
        self._pages += 1
        # What a page more says matters less and less, and the spreads take long to make.
        if self._pages >= 1.5 * self._pages_known:
            self._pages_known = self._pages
            self._spreads.clear()

    def between(self, after: str, end: str | None, parts: int, root: str) -> list[str]:
        """Keys that divide a range into parts of about the same expected size.

        Args:
            after: The range begins after this key.
            end: It ends with this key; None for no end.
            parts: How many parts are wanted.
            root: What every key of the range begins with.

        Returns:
            Up to `parts` - 1 keys, ascending, none of them `after` or beyond `end`.
        """
        common = root if end is None else beginning(after, end)
        low = self.position(after, common)
        high = 1.0 if end is None else self.position(end, common)
        step = (high - low) / parts
        if step < _FINEST:
            return []
        found = {self._key_at(low + step * n, common, step / 4) for n in range(1, parts)}
        return sorted(key for key in found if key > after and (end is None or key < end))

    def position(self, key: str, common: str) -> float:
        """The share of the keys below `common` that is expected to come before `key`."""
        if not key.startswith(common):
            return 0.0 if key < common else 1.0
        position, width, stem = 0.0, 1.0, _stem(common)
        for character in key[len(common) : _LONGEST]:
            before, own = self._spread(stem).share(character)
            position += width * before
            width *= own
            if width < _FINEST * _FINEST:
                break
            stem = _following(stem, character)
        return position

    def _key_at(self, position: float, common: str, precision: float) -> str:
        key, width, stem = common, 1.0, _stem(common)
        while width > precision and len(key) < _LONGEST:
            character, before, own = self._spread(stem).at(position)
            if own <= 0:
                break
            key += character
            position = (position - before) / own
            width *= own
            stem = _following(stem, character)
        return key

    def _spread(self, stem: Stem) -> _Spread:
        known = self._spreads.get(stem)
        if known is None:
            if len(self._spreads) >= _MOST_SPREADS:
                self._spreads.clear()
            known = self._spreads[stem] = self._spread_of(stem)
        return known

    def _spread_of(self, stem: Stem) -> _Spread:
        number, text = stem
        same = self._after_stem.get(stem, _NOTHING)
        alike = self._at_place.get((number, len(text), text[-1:]), _NOTHING)
        trust = same.total() / (same.total() + _TRUSTED) if same else 0.0
        unseen = self._unseen() / self._run(stem, same) if same or alike else 1.0
        characters = sorted({*self._letters, *same, *alike})
        of_same = trust * (1 - unseen) / (same.total() or 1)
        of_alike = (1 - trust) * (1 - unseen) / (alike.total() or 1)
        each = unseen / len(characters)
        weights = (same[c] * of_same + alike[c] * of_alike + each for c in characters)
        return _Spread("".join(characters), array("d", accumulate(weights)))

    def _unseen(self) -> float:
        """The share that is left for what was never seen."""
        return max(_UNSEEN, 1 / (1 + self._pages / _EARLY_PAGES))

    def _run(self, stem: Stem, same: Counter[str]) -> int:
        """How many characters around the next one never varied."""
        number, text = stem
        run = 1
        while run < _LONGEST_RUN and len(same) == 1:
            (character,) = same
            run, text = run + 1, text + character
            same = self._after_stem.get((number, text), _NOTHING)
        text = stem[1]
        while text and run < _LONGEST_RUN:
            text = text[:-1]
            if len(self._after_stem.get((number, text), _NOTHING)) != 1:
                break
            run += 1
        return run


def beginning(one: str, other: str) -> str:
    """What two keys begin with."""
    at, end = 0, min(len(one), len(other))
    while at < end and one[at] == other[at]:
        at += 1
    return one[:at]


def _stem(text: str) -> Stem:
    before, _, part = text.rpartition("/")
    return (text.count("/"), part if before or text.startswith("/") else text)


def _following(stem: Stem, character: str) -> Stem:
    return (stem[0] + 1, "") if character == "/" else (stem[0], stem[1] + character)
