"""A listing in parts that are compared with the index one after the other."""

from dataclasses import dataclass

from s3pipelines.core.sql.quoting import sql_text


@dataclass(frozen=True)
class Slice:
    """Some of the listed objects, and the keys that they are all of.

    Attributes:
        listed: A query as for `Comparison`.
        after: They come after this key.
        end: They end with this key; None for no end.
    """

    listed: str
    after: str
    end: str | None

    @property
    def condition(self) -> str:
        """Which keys of the index it is to be compared with."""
        after = f"key > {sql_text(self.after)}" if self.after else "true"
        return after if self.end is None else f"{after} AND key <= {sql_text(self.end)}"
