"""What is noted in the catalog of an upload in parts: whoever repeats it goes on with it."""

import hashlib

from pydantic import BaseModel, ConfigDict, ValidationError

from s3pipelines.core.catalog.catalog import Catalog
from s3pipelines.core.errors import Gone


class UploadNote(BaseModel):
    """One upload that was begun and is not known to be complete.

    Attributes:
        key: Where it goes.
        upload_id: S3's id of it.
        sha256: Of the whole file, in hexadecimal.
        part_bytes: The size of each part but the last.
        headers: With which it was begun: another upload would have others.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    upload_id: str
    sha256: str
    part_bytes: int
    headers: dict[str, str]

    def is_of(self, key: str, sha256: str, part_bytes: int, headers: dict[str, str]) -> bool:
        """Whether it is the upload of the same bytes to the same place, cut and described so."""
        mine = (self.key, self.sha256, self.part_bytes, self.headers)
        return mine == (key, sha256, part_bytes, headers)


class UploadNotes:
    """The notes about uploads into one source."""

    def __init__(self, catalog: Catalog, source_id: str) -> None:
        self._documents = catalog.documents
        self._folder = f"uploads/{source_id}"

    def read(self, key: str) -> UploadNote | None:
        """The note about a key, if there is one that can be read.

        Raises:
            StorageError: The catalog cannot be read.
        """
        try:
            return UploadNote.model_validate_json(self._documents.read(self._name(key)).body)
        except (Gone, ValidationError):
            return None

    def write(self, note: UploadNote) -> None:
        """Note an upload; what was noted of the key before is replaced.

        Raises:
            StorageError: The catalog cannot be written.
        """
        self._documents.put(self._name(note.key), note.model_dump_json().encode())

    def remove(self, key: str) -> None:
        """Forget what was noted of a key.

        Raises:
            StorageError: The catalog cannot be written.
        """
        self._documents.remove(self._name(key))

    def _name(self, key: str) -> str:
        return f"{self._folder}/{hashlib.sha256(key.encode()).hexdigest()}.json"
