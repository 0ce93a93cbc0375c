"""The pages in a real Chromium, in the words of whoever uses them.

A `Visitor` is one browser profile at the running product: its own storage, its own clipboard rights, and everything
that the browser complained about.
"""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict, cast

from playwright.sync_api import Browser, BrowserContext, CDPSession, ConsoleMessage, FileChooser, Locator, Page, expect

from product import Product

SWITCHES: Final = (
    "--no-sandbox",  # Chromium's own sandbox needs rights that a container may lack; the pages are ours
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
)
"""Chromium stays on this machine and starts nothing beside the page."""

PATIENCE_MS: Final = 20_000
"""How long a thing may take to appear on a busy machine."""

COPY_RIGHTS: Final = ("clipboard-read", "clipboard-write")


class SentFile(TypedDict):
    """A file as Playwright takes it."""

    name: str
    mimeType: str
    buffer: bytes


def sent_file(name: str, data: bytes, media_type: str = "image/jpeg") -> SentFile:
    """Return a file to choose, drop or paste."""
    return {"name": name, "mimeType": media_type, "buffer": data}


@dataclass
class Visitor:
    """One person's browser, on one page."""

    product: Product
    context: BrowserContext
    page: Page
    complaints: list[str] = field(default_factory=list)
    expected_statuses: set[int] = field(default_factory=set)
    """Refusals that the test provokes, 0 for lost connections; the browser logs each as an error."""
    _devtools: CDPSession | None = None

    def listen(self) -> None:
        """Collect what the browser complains about from now on."""
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        # Whoever listens is handed the dialogues for files, but not at once: so begin long before one opens.
        self.page.on("filechooser", lambda _: None)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.complaints.append(message.text)

    def unexpected(self) -> list[str]:
        """Return the complaints but for the refusals that were provoked."""
        provoked = [f"status of {status} " for status in self.expected_statuses - {0}]
        if 0 in self.expected_statuses:
            provoked.append("net::ERR_")
        return [line for line in self.complaints if not any(words in line for words in provoked)]

    def open(self, path: str = "/") -> None:
        """Go to a page of the product."""
        self.page.goto(self.product.base_url + path)

    def choose(self, *files: SentFile) -> None:
        """Choose files by the button."""
        with self.page.expect_file_chooser() as chooser:
            self.page.get_by_role("button", name="Choose pictures").click()
        self.give(chooser.value, *files)

    def give(self, chooser: FileChooser, *files: SentFile) -> None:
        """Answer the dialog for files that the page has opened."""
        chooser.set_files(cast("Any", list(files)))

    def drop(self, *files: SentFile, event: str = "drop") -> None:
        """Drop files on the page, or only drag them over it (`event` dragenter, dragleave)."""
        self.page.evaluate(_DRAG, [event, _for_browser(files)])

    def paste(self, *files: SentFile) -> None:
        """Paste files."""
        self.page.evaluate(_PASTE, _for_browser(files))

    def cards(self, state: str | None = None) -> Locator:
        """Return the pictures of the list, all or those in a state."""
        return self.page.locator(".card" if state is None else f'.card[data-state="{state}"]')

    def card(self, name: str) -> Locator:
        """Return the picture of that name."""
        return self.cards().filter(has=self.page.get_by_role("heading", name=name, exact=True))

    def upload(self, *files: SentFile) -> None:
        """Choose files and wait until all are ready."""
        before = self.cards("ready").count()
        self.choose(*files)
        expect(self.cards("ready")).to_have_count(before + len(files))

    def clipboard(self) -> str:
        """Return the text that was copied."""
        return str(self.page.evaluate("navigator.clipboard.readText()"))

    def announced(self, words: str) -> None:
        """Check that a screen reader is told so."""
        expect(self.page.get_by_role("status")).to_contain_text(words)

    def image_of(self, name: str) -> dict[str, Any]:
        """Return the image's JSON that the server has for the picture of that name."""
        address = self.card(name).locator("a.open").get_attribute("href")
        assert address is not None
        return dict(self.product.client.get(f"/api/v1/images/{address.split('/')[2]}").json())

    def slow_down(self, bytes_per_second: int) -> None:
        """Send no faster than that from now on; -1 is as fast as it goes."""
        if self._devtools is None:  # each session has a brake of its own
            self._devtools = self.context.new_cdp_session(self.page)
        line = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second}
        self._devtools.send("Network.emulateNetworkConditions", line)

    def overflows(self) -> bool:
        """Return whether the page is wider than the window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"))


@contextmanager
def visit(browser: Browser, product: Product, **options: Any) -> Iterator[Visitor]:  # noqa: ANN401 - Playwright's own
    """Give a visitor with a profile of their own; at the end, nothing unexpected was complained about."""
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    context.grant_permissions(COPY_RIGHTS, origin=product.base_url)
    visitor = Visitor(product, context, context.new_page())
    visitor.listen()
    try:
        yield visitor
        assert visitor.unexpected() == []
    finally:
        context.close()


def _for_browser(files: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [
        {"name": file["name"], "type": file["mimeType"], "data": base64.b64encode(file["buffer"]).decode()}
        for file in files
    ]


_TRANSFER: Final = """
const transfer = new DataTransfer();
for (const { name, type, data } of files) {
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  transfer.items.add(new File([bytes], name, { type }));
}
"""

_DRAG: Final = f"""([event, files]) => {{
  {_TRANSFER}
  const options = {{ dataTransfer: transfer, bubbles: true, cancelable: true }};
  document.querySelector("main").dispatchEvent(new DragEvent(event, options));
}}"""

_PASTE: Final = f"""(files) => {{
  {_TRANSFER}
  const options = {{ clipboardData: transfer, bubbles: true, cancelable: true }};
  document.body.dispatchEvent(new ClipboardEvent("paste", options));
}}"""
