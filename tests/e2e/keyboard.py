"""Using a page by keyboard alone: what is named is reached by Tab, and has a focus that can be seen."""

from __future__ import annotations

from playwright.sync_api import Page, expect

MOST_TABS = 80
LONGEST_NAME = 200
FOCUSED = r"""() => {
  const e = document.activeElement;
  if (e === document.body) return ["", false];
  const name = e.getAttribute("aria-label") || (e.labels && e.labels[0] ? e.labels[0].innerText : e.innerText) || "";
  const style = getComputedStyle(e);
  return [name.trim().replace(/\s+/g, " "), style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0];
}"""


IN_GROUP = """group => {
  const e = document.activeElement;
  const legend = e.type === "radio" && e.closest("fieldset") && e.closest("fieldset").querySelector("legend");
  return Boolean(legend && legend.innerText.trim() === group);
}"""


def press(page: Page, name: str) -> None:
    """Reach what bears this name, and press Enter."""
    reach(page, name)
    page.keyboard.press("Enter")


def follow(page: Page, name: str, heading: str) -> None:
    """Reach what bears this name, press Enter, and arrive at the page with this heading."""
    press(page, name)
    expect(page.get_by_role("heading", level=1)).to_have_text(heading)


def fill(page: Page, name: str, text: str) -> None:
    """Reach the field of this name, and type in place of what it holds."""
    reach(page, name)
    page.keyboard.press("Control+A")
    page.keyboard.type(text)


def choose(page: Page, group: str, name: str) -> None:
    """Reach a group of radio buttons, and go on with the arrow until the one of this name is chosen."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate(IN_GROUP, group):
            break
    page.keyboard.press("Space")
    for _ in range(MOST_TABS):
        found, visible = page.evaluate(FOCUSED)
        assert visible, f"{found} has the focus, and nothing shows it"
        if found == name:
            return
        page.keyboard.press("ArrowDown")
    raise AssertionError(f"{name} cannot be chosen by arrow keys on {page.url}")


def reach(page: Page, name: str) -> None:
    """Press Tab until the focus is on what bears this name; it must be visible there."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        found, visible = page.evaluate(FOCUSED)
        if name in found and len(found) < LONGEST_NAME:
            assert visible, f"{name} has the focus, and nothing shows it"
            return
    raise AssertionError(f"{name} cannot be reached by Tab on {page.url}")
