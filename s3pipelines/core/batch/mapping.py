"""Which target each object gets: by a template, or by what a regular expression replaces."""

from dataclasses import dataclass
from functools import cached_property

from s3pipelines.core.batch.templates import Template, parse_template
from s3pipelines.core.errors import InvalidInput
from s3pipelines.core.sql.quoting import sql_text
from s3pipelines.core.storage.locations import S3Location


@dataclass(frozen=True)
class KeyMapping:
    r"""From keys of a source to keys below another prefix, or the same one.

    Attributes:
        to: The bucket and prefix.
        template: The key below it; see `core.batch.templates`.
        match: In place of a template: a regular expression (RE2) that the key below the source's
            prefix must match somewhere.
        replace: What its first match becomes; `\1` is its first group.
        extension: What `{format}` stands for, where there is a format.
    """

    to: S3Location
    template: str = "{key}"
    match: str | None = None
    replace: str | None = None
    extension: str | None = None

    def __post_init__(self) -> None:
        if (self.match is None) != (self.replace is None):
            raise InvalidInput(
                "A match needs what it is replaced by, and the other way round.",
                hint="Give --match R --replace S, or a --template.",
            )
        if self.match is not None and self.template != "{key}":
            raise InvalidInput(
                "Both a template and a match say where the objects go.", hint="Give one of them."
            )
        self._template  # noqa: B018 - reads it, so that a wrong one is refused here

    @cached_property
    def _template(self) -> Template:
        constants = {} if self.extension is None else {"format": self.extension}
        return parse_template(self.template, constants)

    @property
    def head(self) -> str:
        """What every target key begins with."""
        return self.to.prefix + ("" if self.match is not None else self._template.head)

    @property
    def asks_tags(self) -> bool:
        """The template asks for object tags."""
        return self.match is None and bool(self._template.tags)

    @property
    def asks_shared_names(self) -> bool:
        """The expression needs the table of `templates.shared_names_query`."""
        return self.match is None and self._template.asks_shared_names

    def expression(self, prefix: str) -> str:
        """The target key as SQL over the view `objects`; NULL where there is none.

        Args:
            prefix: The source's.
        """
        if self.match is None or self.replace is None:
            return f"{sql_text(self.to.prefix)} || ({self._template.expression(prefix)})"
        below, match = f"substr(objects.key, {len(prefix) + 1})", sql_text(self.match)
        replaced = f"regexp_replace({below}, {match}, {sql_text(self.replace)})"
        return (
            f"CASE WHEN regexp_matches({below}, {match}) "
            f"THEN {sql_text(self.to.prefix)} || {replaced} END"
        )
