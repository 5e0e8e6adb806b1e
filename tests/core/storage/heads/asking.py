"""Asking for keys, and what servers answer."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from urllib.parse import unquote

from s3pipelines.core.errors import StorageError
from s3pipelines.core.storage import heads
from s3pipelines.core.storage.access import Access
from s3pipelines.core.storage.heads import Present, ask_many
from tests.core.storage.fake_s3 import Answer, Asked

ODD_KEYS = [
    *("a//b", "a b", "a+b", "a%b", "a%20b", "a%2Bb", "a&b<c>'\"", "🐟/東京.tif", "Ä", "ä", "a\tb"),
    *("/lead", "trail/", "x" * 1024, "é" * 512, "a|b", "a\\b", "\uffff", "\U0010ffff"),
]
DOTTED_KEYS = [
    *(".", "..", "a/./b", "a/../b", "../a", "./a", "a/..", "//", "/", "a//", "//a", "/./"),
    *("\x01", "carriage\r", "a?b", "a#b", "\x7f", "\u2028", "a;b=c", ":80/", "@h/"),
]
# moto's router knows no path with a newline.
ANY_KEYS = [*DOTTED_KEYS, "new\nline"]
MODIFIED = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
HEAD_OF_ONE = {"ETag": '"e"', "Last-Modified": "Mon, 06 May 2024 07:08:09 GMT"}


def ask(access: Access, bucket: str, keys: Iterable[str], **more: int) -> dict[str, heads.Asked]:
    return {answer.key: answer for answer in ask_many(access, bucket, keys, **more)}


def one(access: Access, key: str = "key", bucket: str = "bucket") -> Present | None:
    (answer,) = ask_many(access, bucket, [key])
    assert answer.error is None
    assert answer.key == key
    return answer.found


def error_of(access: Access, key: str = "key") -> StorageError:
    (answer,) = ask_many(access, "bucket", [key])
    assert answer.found is None
    assert answer.error is not None
    return answer.error


def refusing(head: Answer, listing: Callable[[Asked], Answer]) -> Callable[[Asked], Answer]:
    return lambda asked: head if asked.method == "HEAD" else listing(asked)


def bucket_with(*keys: str) -> Callable[[Asked], Answer]:
    """Answers HEAD of the bucket and of exactly these keys."""

    def answer(asked: Asked) -> Answer:
        _, _, key = unquote(asked.path).removeprefix("/").partition("/")
        return Answer(headers=HEAD_OF_ONE) if not key or key in keys else Answer(404)

    return answer
