"""Tickets: the JSON that `presign multipart` and `presign put --json` print, read and judged.

They are files of strangers: all that is used of them is looked at first.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from s3pipelines.core.errors import InvalidInput, StorageError
from s3pipelines.core.storage.http.presigned import origin_of

# Ten thousand parts, each with a URL of 2 kB, are 20 MB.
_MOST_BYTES = 100_000_000


def _of_http(url: str) -> str:
    try:
        origin_of(url)
    except InvalidInput as error:
        raise ValueError("is no URL of a server") from error
    return url


Url = Annotated[str, AfterValidator(_of_http)]


class _Read(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Call(_Read):
    """A presigned request."""

    method: Literal["GET", "HEAD", "PUT", "POST", "DELETE"]
    url: Url
    headers: dict[str, str] = Field(default_factory=dict)


class TicketPart(_Read):
    """Where one part goes; `first_byte` and `size_bytes` are None where only a count was named."""

    number: Annotated[int, Field(ge=1, le=10_000)]
    url: Url
    first_byte: Annotated[int, Field(ge=0)] | None = None
    size_bytes: Annotated[int, Field(ge=1)] | None = None


class _Ticket(_Read):
    bucket: str
    key: str
    expires_at: datetime

    @property
    def uri(self) -> str:
        """Where it leads."""
        return f"s3://{self.bucket}/{self.key}"

    @property
    def is_expired(self) -> bool:
        """By the clock of this machine."""
        return datetime.now(UTC) >= self.expires_at

    def is_told_late(self, error: StorageError) -> bool:
        """Whether the server says that it has expired, by its own clock."""
        said = getattr(error.__cause__, "response", None) or {}
        return "expired" in str(said.get("Error", {}).get("Message", "")).lower()

    def expired(self) -> InvalidInput:
        """The error for a ticket that is used too late."""
        at = f"{self.expires_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        return InvalidInput(f"The ticket for {self.uri} expired at {at}.", hint=self._renewal)

    _renewal = "Ask whoever made it for a new one ('s3pipelines presign put')."


class PutTicket(_Ticket):
    """One request that writes the object: a PUT, or with `fields` a form."""

    method: Literal["PUT", "POST"]
    url: Url
    headers: dict[str, str] = Field(default_factory=dict)
    fields: dict[str, str] = Field(default_factory=dict)


class PartsTicket(_Ticket):
    """An upload in parts.

    Attributes:
        list: Requests that tell which parts have arrived, a thousand at a time; () if it has none.
        look: A request that tells what is at the key; None if it has none.
        headers: What must be sent with every part.
    """

    upload_id: str
    parts: Annotated[tuple[TicketPart, ...], Field(min_length=1)]
    complete: Call
    list: tuple[Call, ...] = ()
    look: Call | None = None
    headers: dict[str, str] = Field(default_factory=dict)

    @property
    def _renewal(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return (
            "What has arrived is kept: ask whoever made it for a new one of the same upload "
            f"('s3pipelines presign multipart {self.uri} --upload-id {self.upload_id}')."
        )

    @property
    def size_bytes(self) -> int | None:
        """The size that the file must have; None if any will do."""
        sizes = [part.size_bytes for part in self.parts]
        return None if None in sizes else sum(size for size in sizes if size is not None)


Ticket = PutTicket | PartsTicket


def read_tickets(path: Path) -> list[Ticket]:
    """The tickets in a file: one upload in parts, or a list of single requests.

    Raises:
        InvalidInput: There is no such file, it holds no tickets, or one of them has expired.
    """
    tickets = [_ticket(path, value) for value in _values(path)]
    for ticket in tickets:
        if ticket.is_expired:
            raise ticket.expired()
    return tickets


def _values(path: Path) -> list[Any]:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise InvalidInput(f"{path} is too large for a ticket.", hint=_HINT)
        value = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidInput(
            f"The ticket {path} cannot be read ({error.strerror or error}).", hint=_HINT
        ) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is no ticket: it is not JSON.", hint=_HINT) from error
    values = value if isinstance(value, list) else [value]
    if not values:
        raise InvalidInput(f"There is no ticket in {path}.", hint=_HINT)
    return values


def _ticket(path: Path, value: Any) -> Ticket:
    kind = PartsTicket if isinstance(value, dict) and "upload_id" in value else PutTicket
    try:
        ticket = TypeAdapter[Ticket](kind).validate_python(value)
    except ValidationError as error:
        [first, *_] = error.errors()
        where = ".".join(map(str, first["loc"])) or "all of it"
        raise InvalidInput(
            f"{path} is no ticket to upload with ({where}: {first['msg']}).", hint=_HINT
        ) from error
    if isinstance(ticket, PartsTicket):
        _require_whole(path, ticket)
    if ticket.expires_at.tzinfo is None:
        raise InvalidInput(f"{path} is no ticket: 'expires_at' has no time zone.", hint=_HINT)
    return ticket


def _require_whole(path: Path, ticket: PartsTicket) -> None:
    """The parts follow each other without a gap, and lead to one server."""
    at, origins = 0, {origin_of(part.url) for part in ticket.parts}
    follows = [part.number for part in ticket.parts] == list(range(1, len(ticket.parts) + 1))
    if ticket.size_bytes is not None:
        for part in ticket.parts:
            follows = follows and part.first_byte == at
            at += part.size_bytes or 0
    calls = (ticket.complete, *ticket.list, *((ticket.look,) if ticket.look else ()))
    origins |= {origin_of(call.url) for call in calls}
    if not follows or len(origins) > 1:
        raise InvalidInput(f"The parts in the ticket {path} do not fit together.", hint=_HINT)


_HINT = (
    "Give it the output of 's3pipelines presign multipart' or 's3pipelines presign put --json', "
    "as it is."
)
