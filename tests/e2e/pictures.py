"""Take the pictures of docs/pictures: `python -m tests.e2e.pictures [FOLDER]`. Look at them."""

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
COLORS = 64
"""Enough for pages without photographs, and a quarter of the bytes."""


def main(folder: Path = FOLDER) -> None:
    """Start everything on ports of its own, use it for a day, and take each page in four ways."""
    folder.mkdir(parents=True, exist_ok=True)
    before, taken = set(folder.glob("*.png")), set()
    with tempfile.TemporaryDirectory() as instance, stack(Path(instance)) as product, chromium() as browser:
        product.start_everything()
        context = new_context(browser, Watch(), viewport=DESK)
        page = context.new_page()
        for stop in tour.stops(page, product, "Olive Lindqvist"):
            taken |= _take(stop, page, folder)
            page.set_viewport_size(DESK)  # type: ignore[arg-type]
        context.close()
    for path in before - taken:
        path.unlink()


def _take(stop: Stop, page: Page, folder: Path) -> set[Path]:
    kept = set()
    for width in tour.WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if width == tour.WIDTHS[0] or stop.by_width:
            stop.go(page)
        for theme in tour.THEMES:
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
