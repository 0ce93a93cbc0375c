"""An HTML page taken apart, as a program reads it."""

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Document(HTMLParser):
    """A page taken apart."""

    text: str
    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    words: str = ""

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of an element."""
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Take note of a text."""
        self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of every element of this name."""
        return [attributes for name, attributes in self.elements if name == tag]

    def meta(self) -> dict[str, str | None]:
        """Return what the head says, by name or property."""
        named = [(each.get("property") or each.get("name"), each.get("content")) for each in self.all("meta")]
        return {name: content for name, content in named if name}

    def link(self, rel: str) -> list[dict[str, str | None]]:
        """Return the head's links of this relation."""
        return [each for each in self.all("link") if each.get("rel") == rel]
