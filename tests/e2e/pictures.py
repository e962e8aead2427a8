"""Take the pictures of docs/pictures: `python -m tests.e2e.pictures`. Look at them."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

from PIL import Image

from tests.e2e import tour
from tests.e2e.chromium import ROOT, Watch, chromium, new_context
from tests.processes import stack

FOLDER = ROOT / "docs" / "pictures"


def main() -> None:
    """Start everything on ports of its own, use it for a day, and take each page in four ways."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, stack(Path(folder)) as product, chromium() as browser:
        product.start_everything()
        context = new_context(browser, Watch(), viewport={"width": 1280, "height": 900})
        page = context.new_page()
        for stop in tour.stops(page, product, "Olive Lindqvist"):
            for width in tour.WIDTHS:
                page.set_viewport_size({"width": width, "height": 900})
                stop.go(page)
                for theme in tour.THEMES:
                    page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
                    taken = page.screenshot(full_page=stop.name != "menu", animations="disabled")
                    _keep(taken, FOLDER / f"{stop.name}-{theme}-{width}.png")
            page.set_viewport_size({"width": 1280, "height": 900})
        context.close()


def _keep(taken: bytes, path: Path) -> None:
    # 128 colors are enough for pages without photographs, and a third of the bytes.
    with Image.open(io.BytesIO(taken)) as picture:
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main()
