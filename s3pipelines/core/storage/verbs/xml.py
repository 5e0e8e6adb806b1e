"""Reading the few XML answers that the verbs need."""

from collections.abc import Iterator
from xml.etree import ElementTree

from s3pipelines.core.errors import StorageError


def parse(body: bytes, what: str) -> ElementTree.Element:
    """The root of an answer, its names without namespaces.

    Raises:
        StorageError: It is no XML.
    """
    try:
        root = ElementTree.fromstring(body)
    except ElementTree.ParseError as error:
        raise StorageError(
            f"The endpoint answers {what} with something that is no XML ({error}).",
            hint="Check what stands between here and the S3 server.",
        ) from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def texts(parent: ElementTree.Element, name: str) -> Iterator[str]:
    """The texts of the children of that name."""
    return (child.text or "" for child in parent.findall(name))


def text(parent: ElementTree.Element, name: str) -> str:
    """The text of the first child of that name; empty if there is none."""
    return next(texts(parent, name), "")
