"""Every template compiles, is used, and keeps to the rules; every fragment that a view names exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from anuma_dash import create_app
from anuma_dash.db import Database
from anuma_dash.web.state import Services
from tests.world import make_settings

ROOT = Path(__file__).parent.parent
TEMPLATES = ROOT / "templates"
SOURCES = [path for path in (ROOT / "anuma_dash").glob("**/*.py") if "embedded" not in path.parts]
NAMES = sorted(str(path.relative_to(TEMPLATES)) for path in TEMPLATES.glob("**/*.html"))
FORBIDDEN = {
    "markup that is not escaped": r"\|\s*safe\b|Markup\(|autoescape false",
    "an inline style": r"\sstyle\s*=|<style\b",
    "an inline handler": r"\son[a-z]+\s*=|hx-on|javascript:",
    "JavaScript in htmx attributes": r"hx-(vals|headers|vars)=|js:|hx-trigger=\"[^\"]*\[",
    "an attribute that is not gated by the nonce": r"data-hx-",
    "something from another host": r"(src|href)=\"(https?:)?//",
}
STYLED = "mail/frame.html"
"""Mail can load no stylesheet and is under no policy of this site; `test_letters.py` looks at every letter."""
UNGATED = re.compile(r"hx-(?!nonce|swap-oob|preserve)[a-z-]+=")


@pytest.fixture(scope="module")
def environment(gateway_server, tmp_path_factory):
    """The application's own environment; nothing is drawn, so no database is needed."""
    db = Database("sqlite://")
    settings = make_settings("sqlite://", gateway_server, tmp_path_factory.mktemp("templates"))
    yield create_app(services=Services(settings, db, gateway_server.client)).jinja_env
    db.dispose()


def source(name):
    return (TEMPLATES / name).read_text()


def without_jinja(text):
    return re.sub(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_compiles(environment, name):
    environment.get_template(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_holds_nothing_that_the_policy_forbids(name):
    uncommented = re.sub(r"\{#.*?#\}", "", source(name), flags=re.DOTALL)
    for rule, pattern in FORBIDDEN.items():
        if (rule, name) == ("an inline style", STYLED):
            continue
        found = re.search(pattern, uncommented if "escaped" in rule else without_jinja(uncommented))
        assert not found, f"{rule}: {found.group(0)!r}"


@pytest.mark.parametrize("name", NAMES)
def test_every_element_with_htmx_attributes_carries_the_nonce(name):
    for tag in re.findall(r"<[a-z][^<>]*>", without_jinja(source(name))):
        assert not UNGATED.search(tag) or "hx-nonce" in tag, tag


@pytest.mark.parametrize("name", NAMES)
def test_every_script_has_the_nonce_and_a_source(name):
    for script in re.findall(r"<script\b[^>]*>.*?</script>", source(name), re.DOTALL):
        assert re.fullmatch(r'<script src="\{\{ asset\([^)]*\) \}\}" nonce="\{\{ nonce \}\}" defer></script>', script)


@pytest.mark.parametrize("name", NAMES)
def test_a_template_is_used(name):
    named_in_code = any(f'"{name}"' in path.read_text() for path in SOURCES)
    named_in_templates = any(f'"{name}"' in source(other) for other in NAMES if other != name)

    assert named_in_code or named_in_templates


def strings(node):
    return [one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)]


def drawn_fragments():
    """Every template and block that a call of `page()` names, with the file that says so."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "page" and node.args:
                blocks = {one for word in node.keywords if word.arg == "fragment" for one in strings(word.value)}
                yield from ((template, block) for template in strings(node.args[0]) for block in blocks)


@pytest.mark.parametrize("drawn", sorted(set(drawn_fragments())), ids=" ".join)
def test_a_fragment_that_a_view_draws_is_a_block_of_its_template(environment, drawn):
    template, block = drawn
    blocks, name = set(), template
    while name:
        blocks |= set(environment.get_template(name).blocks)
        parent = re.search(r'\{%-? extends "([^"]+)"', source(name))
        name = parent.group(1) if parent else ""

    assert block in blocks


def test_the_error_pages_need_nothing_but_what_they_are_given(world):
    with world.app.test_request_context():
        for name in ("errors/error.html", "errors/note.html"):
            drawn = world.app.jinja_env.get_template(name)
            given = {"title": "T", "message": "M", "what_works": "", "request_id": "req_1"}
            given |= {"home_url": "/", "try_again": None}
            assert "req_1" in drawn.render(given)
