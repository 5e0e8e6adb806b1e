"""The tables: their columns, what identifies a row, and how they may grow.

Rules that every change here follows:

- A column is only ever *added*, it is nullable, and `version` grows by one; writers of the old
  version fail to append, and are restarted.
- `identity` names the columns of which there is at most one row; in a table that is only appended
  to, one *latest* row, and the rows before it are the attempts that led there.
"""

from s3pipelines.core.catalog.schemas.images import DERIVATIVES, IMAGES, RERUNS
from s3pipelines.core.catalog.schemas.index import CHANGES, OBJECTS, OBJECTS_TAIL, REJECTED
from s3pipelines.core.catalog.schemas.objects import ANNOTATIONS, AUDITS, TAGS
from s3pipelines.core.catalog.schemas.operations import OPERATIONS
from s3pipelines.core.catalog.schemas.table import TIMESTAMP, Column, TableSchema

__all__ = [
    "ANNOTATIONS",
    "AUDITS",
    "CHANGES",
    "DERIVATIVES",
    "IMAGES",
    "OBJECTS",
    "OBJECTS_TAIL",
    "OPERATIONS",
    "REJECTED",
    "RERUNS",
    "TABLES",
    "TAGS",
    "TIMESTAMP",
    "Column",
    "TableSchema",
]

TABLES: tuple[TableSchema, ...] = (
    OBJECTS,
    OBJECTS_TAIL,
    CHANGES,
    REJECTED,
    IMAGES,
    DERIVATIVES,
    RERUNS,
    ANNOTATIONS,
    TAGS,
    AUDITS,
    OPERATIONS,
)
