"""What every key that a pattern lets through begins with.

A pattern is asked of each key of a source; a range of keys is looked up. So the part of a pattern
that is certain becomes a range, and files and row groups that lie outside are not read. Where it
is not certain, there is none: a head too short costs time, one too long would cost objects.
"""

import string

# Between these and the text before them, RE2 sees a relation: they end what is literal.
_SPECIAL = frozenset(".^$*+?()[]{}|\\")
# They apply to the character before them, which then need not be there.
_QUANTIFIERS = frozenset("*+?{")
# A backslash before one of these means the character itself.
_ESCAPABLE = frozenset(string.punctuation) - {"_"}


def head_of_glob(glob: str) -> str:
    """How every text begins that the whole shell pattern matches."""
    for at, character in enumerate(glob):
        if character in "*?[":
            return glob[:at]
    return glob


def head_of_regex(regex: str) -> str:
    """How every text begins in which the regular expression (RE2) matches; empty if unknown.

    Only one that begins with `^` says anything. Flags (`(?i)`) come in brackets, which end the
    head, and hold only from there on.
    """
    if not regex.startswith("^") or may_be_alternatives(regex):
        return ""
    head: list[str] = []
    at = 1
    while at < len(regex):
        character = regex[at]
        if character == "\\" and regex[at + 1 : at + 2] in _ESCAPABLE:
            head.append(regex[at + 1])
            at += 2
            continue
        if character in _SPECIAL:
            # A quantifier after flags is one of what is before them: `ab(?i)*` is `ab*`.
            uncertain = character in _QUANTIFIERS or regex.startswith("(?", at)
            return "".join(head[:-1] if uncertain else head)
        head.append(character)
        at += 1
    return "".join(head)


def may_be_alternatives(regex: str) -> bool:
    """A `|` stands outside of all brackets, or that cannot be told easily."""
    if "|" not in regex:
        return False
    if "[" in regex or "\\Q" in regex:  # In both, a bracket can be a mere character.
        return True
    depth = 0
    at = 0
    while at < len(regex):
        character = regex[at]
        if character == "\\":
            at += 1
        elif character == "|" and depth == 0:
            return True
        depth += {"(": 1, ")": -1}.get(character, 0)
        at += 1
    return False


def writable(text: str) -> str:
    """The part of a text that can stand in a statement: DuckDB ends one at a NUL."""
    for at, character in enumerate(text):
        if character == "\0" or "\ud800" <= character <= "\udfff":
            return text[:at]
    return text
