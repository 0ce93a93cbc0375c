"""Whether text can be read: WCAG 2.2 contrast (1.4.3, level AA) of every text that a page shows, as it is painted."""

from dataclasses import dataclass
from typing import Any, Final

from playwright.sync_api import Page

ENOUGH: Final = 4.5
"""What text of any size must have; large text would need 3, and we do not make the difference."""


@dataclass(frozen=True)
class Faint:
    """A text that is hard to read."""

    text: str
    contrast: float


def faint_texts(page: Page) -> list[Faint]:
    """Return the visible texts whose contrast with what lies behind them is not enough."""
    found: list[dict[str, Any]] = page.evaluate(_TEXTS)
    assert found, "there is no text on the page"
    measured = [Faint(item["text"], contrast(item["color"], item["grounds"])) for item in found]
    return [text for text in measured if text.contrast < ENOUGH]


def contrast(color: list[float], grounds: list[list[float]]) -> float:
    """Return the contrast ratio of a colour on layers of ground, the nearest first (WCAG 2.2, contrast ratio)."""
    ground = [255.0, 255.0, 255.0]
    for layer in reversed(grounds):
        ground = _over(layer, ground)
    first, second = _luminance(_over(color, ground)), _luminance(ground)
    return round((max(first, second) + 0.05) / (min(first, second) + 0.05), 2)


def _over(layer: list[float], ground: list[float]) -> list[float]:
    *channels, alpha = layer
    return [alpha * above + (1 - alpha) * below for above, below in zip(channels, ground, strict=True)]


def _luminance(color: list[float]) -> float:
    """Return the relative luminance of an sRGB colour (WCAG 2.2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (value / 255 for value in color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


_TEXTS: Final = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const channels = (color) => {  // any notation of CSS; a canvas understands what the page does
    if (!known.has(color)) {
      canvas.clearRect(0, 0, 1, 1);
      canvas.fillStyle = color;
      canvas.fillRect(0, 0, 1, 1);
      const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
      known.set(color, [red, green, blue, alpha / 255]);
    }
    return known.get(color);
  };
  const texts = new Map();  // one for each colour on each ground: the reference has thousands of them
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    const unseen = element.closest(".unseen, noscript, script, template, .drop-veil:not(.shown), .skip:not(:focus)");
    if (!text || unseen || !element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
    const grounds = [];
    for (let at = element; at; at = at.parentElement) grounds.push(channels(getComputedStyle(at).backgroundColor));
    const color = channels(getComputedStyle(element).color);
    texts.set(JSON.stringify([color, grounds]), { text, color, grounds });
  }
  return [...texts.values()];
}"""
