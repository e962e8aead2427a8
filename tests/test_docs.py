"""What the documents name exists: tests, files, settings, commands, figures, answers."""

from __future__ import annotations

import ast
import importlib.util
import re
from functools import cache
from pathlib import Path

import click
import pytest

from anuma_dash import cli, features
from anuma_dash.embedded.gateway import __main__ as gateway_commands
from anuma_dash.embedded.gateway.openapi import CONTRACTS
from anuma_dash.settings import Settings
from tests.processes import ROOT

PACKAGE, TESTS, DOCS = ROOT / "anuma_dash", ROOT / "tests", ROOT / "docs"
GATEWAY = PACKAGE / "embedded" / "gateway"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md")), *sorted(TESTS.rglob("*.md"))]
PROOFS = {
    "threat-model": DOCS / "threat-model.md",
    "requests": TESTS / "requests.md",
    "faults": TESTS / "faults/README.md",
}


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def functions_of(path: Path) -> set[str]:
    """The functions and classes of a test file, as pytest names them."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{one.name}" for one in node.body if isinstance(one, ast.FunctionDef)}
    return found


@pytest.mark.parametrize("page", PROOFS.values(), ids=PROOFS)
def test_every_test_that_is_named_as_a_proof_exists(page: Path) -> None:
    missing, named, file = [], 0, None
    for name, rest in re.findall(r"`([\w./-]+\.py)?((?:::\w+)*)`", page.read_text()):
        if name:  # a name without a file is of the file before
            file = next((one for one in (page.parent / name, TESTS / name, ROOT / name) if one.is_file()), None)
        named += bool(rest)
        if (name or rest) and (file is None or (rest and rest.removeprefix("::") not in functions_of(file))):
            missing.append(f"{name}{rest}")
    assert not missing
    assert named > 5, "the pattern still fits the page"


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def anchors(page: Path) -> set[str]:
    """What headings are called in addresses, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def gateway_settings() -> set[str]:
    """What the embedded gateway reads, without the beginning that all have."""
    return set(re.findall(r'(?:_get\(|PREFIX \+ )"([A-Z_]+)"', (GATEWAY / "environment.py").read_text()))


def settings_known() -> set[str]:
    """Every variable that some process reads."""
    fields = {f"ANUMA_{name.upper()}" for name in Settings.model_fields}
    sources = [*PACKAGE.rglob("*.py"), *(ROOT / "deploy").glob("*.py"), *TESTS.rglob("*.py"), ROOT / "app.py"]
    read = {name for path in sources for name in re.findall(r"\bANUMA_[A-Z_]+[A-Z]\b", path.read_text())}
    return fields | read | {f"ANUMA_GATEWAY_{name}" for name in gateway_settings()}


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_setting_that_is_named_is_read(page: Path) -> None:
    known = settings_known()
    named = set(re.findall(r"\bANUMA_[A-Z_]+[A-Z]\b", page.read_text()))

    assert {one for one in named if one not in known and one.removesuffix("_FILE") not in known} == set()


def test_every_setting_is_in_a_table_for_operators() -> None:
    readme = set(re.findall(r"`(ANUMA_[A-Z_]+)`", (ROOT / "README.md").read_text()))
    gateway = set(re.findall(r"`(?:ANUMA_GATEWAY|…)_([A-Z_]+)`", (DOCS / "gateway.md").read_text()))
    refused = {"ANUMA_DEBUG"}  # it is a setting only so that production can refuse it

    assert {f"ANUMA_{name.upper()}" for name in Settings.model_fields} - refused - readme == set()
    assert gateway_settings() - gateway == set()


def commands(text: str) -> list[list[str]]:
    """The words after each `python -m` of a page, as far as they are words of a command."""
    found = re.findall(r"python -m ([\w.]+)((?: [a-z][a-z-]*)*)", text)
    return [[module, *words.split()] for module, words in found]


@pytest.mark.parametrize("page", PAGES, ids=shown)
def test_every_command_that_is_named_exists(page: Path) -> None:
    for module, *words in commands(page.read_text()):
        assert importlib.util.find_spec(module), module
        if module == "anuma_dash":
            found: click.Command = cli.main
            for word in words:
                if not isinstance(found, click.Group):
                    break
                assert word in found.commands, f"{module} {' '.join(words)}"
                found = found.commands[word]
        if module == "anuma_dash.embedded.gateway" and words:
            assert words[0] in {*gateway_commands._COMMANDS, *CONTRACTS}, words
    for target in re.findall(r"`make ([a-z]+)`", page.read_text()):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE), target


def test_every_command_is_in_the_guide() -> None:
    guide = (DOCS / "operations.md").read_text()
    ours = [
        f"{name} {inner}" if isinstance(one, click.Group) else name
        for name, one in cli.main.commands.items()
        for inner in (one.commands if isinstance(one, click.Group) else ("",))
    ]

    assert [one for one in ours if f"python -m anuma_dash {one}" not in guide] == []
    assert [one for one in gateway_commands._COMMANDS if one and one not in guide] == []


def test_the_guide_explains_every_figure_and_no_other() -> None:
    explained = set(re.findall(r"^\| `(anuma_\w+?)(?:_total)?[`{]", (DOCS / "operations.md").read_text(), re.MULTILINE))
    made = re.compile(r"(?:Counter|Gauge|Histogram|GaugeMetricFamily|CounterMetricFamily)\(\s*\"(anuma_\w+)\"")
    found = {name for path in PACKAGE.rglob("*.py") for name in made.findall(path.read_text())}

    assert len(found) > 5
    assert found - explained == set()
    assert {one for one in explained if f'"{one}"' not in sources(PACKAGE)} == set()


@cache
def sources(folder: Path) -> str:
    return "\n".join(path.read_text() for path in sorted(folder.rglob("*.py")))


def test_the_architecture_names_every_part_and_every_kind_of_unfinished_row() -> None:
    page = (DOCS / "architecture.md").read_text()
    tree = page.partition("anuma_dash/\n")[2].partition("tests/")[0]
    parts = [one.name for one in PACKAGE.iterdir() if one.suffix == ".py" or (one / "__init__.py").is_file()]

    assert [one for one in parts if one not in tree and one != "__main__.py"] == []
    table = re.findall(r"^\| `(\w+)` \| `\w+` \| ", page.partition("## Durable rows")[2], re.MULTILINE)
    assert set(table) == {kind.name for kind in features.kinds()}
