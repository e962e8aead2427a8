"""Take pictures of every page: `python -m tests.e2e.pictures` for docs/pictures, in two of the four ways, so that the
repository stays small; `python -m tests.e2e.pictures FOLDER` in all four. Look at them.
"""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from tests.e2e import tour
from tests.e2e.chromium import ROOT, Watch, chromium, new_context
from tests.e2e.every_page import DESK
from tests.e2e.stops import Stop
from tests.processes import stack

FOLDER = ROOT / "docs" / "pictures"
DOCUMENTED = frozenset({(1280, "light"), (390, "dark")})
COLORS = 64
"""Enough for pages without photographs, and a quarter of the bytes."""


def main(folder: Path = FOLDER) -> None:
    """Start everything on ports of its own, use it for a day, and take each page."""
    ways = [(width, theme) for width in tour.WIDTHS for theme in tour.THEMES]
    ways = [one for one in ways if folder != FOLDER or one in DOCUMENTED]
    folder.mkdir(parents=True, exist_ok=True)
    before, taken = set(folder.glob("*.png")), set()
    with tempfile.TemporaryDirectory() as instance, stack(Path(instance)) as product, chromium() as browser:
        product.start_everything()
        context = new_context(browser, Watch(), viewport=DESK)
        page = context.new_page()
        for stop in tour.stops(page, product, "Olive Lindqvist"):
            taken |= _take(stop, page, folder, ways)
            page.set_viewport_size(DESK)  # type: ignore[arg-type]
        context.close()
    for path in before - taken:
        path.unlink()


def _take(stop: Stop, page: Page, folder: Path, ways: list[tuple[int, str]]) -> set[Path]:
    kept, shown = set(), None
    for width, theme in ways:
        page.set_viewport_size({"width": width, "height": 900})
        if shown is None or (stop.by_width and shown != width):
            stop.go(page)
        shown = width
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
        path = folder / f"{stop.name}-{theme}-{width}.png"
        _keep(page.screenshot(full_page=not stop.by_width, animations="disabled"), path)
        kept.add(path)
    return kept


def _keep(taken: bytes, path: Path) -> None:
    with Image.open(io.BytesIO(taken)) as picture:
        picture.convert("RGB").quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
