"""Uploading files by a ticket: which file goes with which, then all of them side by side."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from s3pipelines.core.datasets.direct.done import Done
from s3pipelines.core.datasets.direct.in_parts import PARTS_AT_A_TIME, PartsUpload, cut
from s3pipelines.core.datasets.direct.sent import DirectUpload, as_it_is, failed
from s3pipelines.core.datasets.direct.single import require_fits, send_whole
from s3pipelines.core.datasets.direct.tickets import PartsTicket, PutTicket, Ticket, read_tickets
from s3pipelines.core.datasets.local_files import LocalFile
from s3pipelines.core.datasets.progress import Progress
from s3pipelines.core.datasets.registered import word_of
from s3pipelines.core.datasets.room import MemoryRoom
from s3pipelines.core.datasets.workers import work_through
from s3pipelines.core.errors import InvalidInput, StorageError, printable
from s3pipelines.core.storage.http.loops import LoopThread
from s3pipelines.core.storage.http.presigned import PresignedClient, origin_of

_MOST_IN_MEMORY = 256 * 1024 * 1024
_Pair = tuple[Ticket, LocalFile]


def upload_direct(
    ticket: Path, paths: Sequence[str | Path], progress: Progress | None = None
) -> list[DirectUpload]:
    """Upload files by presigned URLs alone; no credentials are looked for.

    It may be killed anywhere and repeated: parts that S3 has are not sent again.

    Args:
        ticket: What `presign multipart`, or `presign put --json`, has printed.
        paths: One file for an upload in parts; for several tickets, files of the same names.
        progress: Who is told how far it is.

    Raises:
        InvalidInput: The ticket has expired, or is none, or is for other files; a file is missing.
            Nothing was sent.
    """
    pairs = _paired(ticket, read_tickets(ticket), paths)
    for one, file in pairs:
        if isinstance(one, PartsTicket):
            cut(one, file)
        else:
            require_fits(one, file)
    done, progress = Done(ticket), progress or Progress()
    progress.begin(sum(file.size_bytes for _, file in pairs))
    work = _Work(done, progress)
    with LoopThread() as loop:
        for origin in sorted({_origin(one) for one, _ in pairs}):
            of_server = [pair for pair in pairs if _origin(pair[0]) == origin]
            loop.run(work.run(origin, iter(of_server)))
    return work.rows


class _Work:
    def __init__(self, done: Done, progress: Progress) -> None:
        self._done = done
        self._advance = progress.advance
        self.rows: list[DirectUpload] = []

    async def run(self, origin: str, pairs: Iterator[_Pair]) -> None:
        room = MemoryRoom(_MOST_IN_MEMORY)
        async with PresignedClient(origin, most_in_flight=PARTS_AT_A_TIME) as client:

            async def send(pair: _Pair) -> None:
                self.rows.append(await self._sent(client, room, *pair))

            await work_through(pairs, send, PARTS_AT_A_TIME)

    async def _sent(
        self, client: PresignedClient, room: MemoryRoom, ticket: Ticket, file: LocalFile
    ) -> DirectUpload:
        try:
            if isinstance(ticket, PutTicket):
                return await send_whole(client, ticket, file, self._done, self._advance)
            upload = PartsUpload(client, ticket, file, self._done, room, self._advance)
            return await upload.run()
        except StorageError as error:
            return failed(file, ticket.uri, error, word_of(error))
        except InvalidInput as error:  # It expired meanwhile, or is for other bytes.
            return failed(file, ticket.uri, error, "refused")


def _origin(ticket: Ticket) -> str:
    return origin_of(ticket.url if isinstance(ticket, PutTicket) else ticket.complete.url)


def _paired(path: Path, tickets: list[Ticket], paths: Sequence[str | Path]) -> list[_Pair]:
    if not paths:
        raise InvalidInput("There is nothing to upload.", hint="Name a file.")
    files = [_file(Path(one)) for one in paths]
    if len(files) == len(tickets) == 1:
        return [(tickets[0], as_it_is(files[0], tickets[0].key))]
    pairs: list[_Pair] = []
    for file in files:
        fitting = [one for one in tickets if one.key.rpartition("/")[2] == file.name]
        if len(fitting) != 1:
            raise InvalidInput(
                f"Of the {len(tickets):,} tickets in {path}, {len(fitting):,} have keys that end "
                f"with {file.name!r}.",
                hint="Name files as their keys end, or one file for a single ticket.",
            )
        pairs.append((fitting[0], as_it_is(file, fitting[0].key)))
    if len({id(ticket) for ticket, _ in pairs}) < len(pairs):
        raise InvalidInput("Two of the files have one name.", hint="Upload them one by one.")
    return pairs


def _file(path: Path) -> Path:
    if not path.exists():
        raise InvalidInput(
            f"There is no file {printable(str(path))}.", hint="Check how it is written."
        )
    if not path.is_file():
        raise InvalidInput(
            f"{printable(str(path))} is no regular file.", hint="A ticket is for one file each."
        )
    return path
