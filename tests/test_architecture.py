"""The rules of the house (docs/architecture.md): who may import whom, read from the source."""

from __future__ import annotations

import ast
import importlib
from functools import cache
from pathlib import Path

import pytest

from anuma_dash.features import FEATURES

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "anuma_dash"
LAYERS = (
    {"errors"},
    {"settings", "production"},
    {"db"},
    {"identity"},
    {"gateway", "outbound"},
    {"audit", "workflows", "vault", "mail", "versions"},
    {"domain"},
    {"web"},
    {"features"},
)
"""From the bottom up: a layer uses those below it. `gateway` uses settings and errors only."""
TOP = {"__init__", "__main__", "application", "cli", "command_line", "suspension_commands"}
TOP |= {"worker", "worker_status", "migrations", "logs"}
GUIDE = {"routes.py": 150, "service.py": 200, "forms.py": 100, "models.py": 150}
"""Of a feature; its other files 200."""
MOST_LINES = 400
"""Of any other module."""
FRAMEWORKS = {"flask", "werkzeug", "flask_limiter", "jinja2", "jinja2_fragments"}


def modules(pattern="**/*.py"):
    return sorted(PACKAGE.glob(pattern))


@cache
def imports(path):
    """Every module that a file imports, by its full name; names imported from a module are added to it."""
    found = set()
    package = ".".join(path.relative_to(ROOT).parent.parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = ".".join(package.split(".")[: len(package.split(".")) - node.level + 1]) if node.level else ""
            base = ".".join(part for part in (above, node.module or "") if part)
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


def ours(path):
    """The parts of this package that a file imports: their first names, such as `web` or `features`."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("anuma_dash.") and name.count(".") >= 1}


def layer_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def shown(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", [p for p in modules() if layer_of(p) not in TOP | {"embedded"}], ids=shown)
def test_a_module_imports_only_from_the_layers_below_it(path):
    known = {name: height for height, layer in enumerate(LAYERS) for name in layer}
    own = layer_of(path)

    too_high = {name for name in ours(path) & set(known) if known[name] > known[own]}
    assert not too_high
    assert not ours(path) & {"cli", "worker", "embedded"}
    if own == "gateway":
        assert ours(path) <= {"gateway", "settings", "errors"}


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_imports_no_other_feature(name):
    others = {f"anuma_dash.features.{other}" for other in FEATURES if other != name}
    for path in modules(f"features/{name}/**/*.py"):
        assert not {one for one in imports(path) for other in others if one == other or one.startswith(other + ".")}


WITHOUT_FLASK = [
    *(PACKAGE / f"{name}.py" for name in ("db", "errors", "identity", "production", "settings", "workflows")),
    *modules("audit/*.py"),
    *modules("domain/**/*.py"),
    *modules("gateway/**/*.py"),
    *(path for name in ("service", "models", "workflows") for path in modules(f"features/*/{name}.py")),
]


def reached(path):
    """A file and every file of ours that it imports, directly or not. The package's own `__init__.py` and those of
    features are left out: they make the application and the blueprints."""
    found, waiting = set(), [path]
    while waiting:
        one = waiting.pop()
        if one not in found and one.is_file():
            found.add(one)
            places = [ROOT / name.replace(".", "/") for name in imports(one) if name.startswith("anuma_dash.")]
            waiting += [place.with_suffix(".py") for place in places]
            waiting += [place / "__init__.py" for place in places if layer_of(place) != "features"]
    return found


@pytest.mark.parametrize("path", WITHOUT_FLASK, ids=shown)
def test_services_models_and_all_below_them_know_no_web_framework(path):
    knowing = {shown(one) for one in reached(path) if {name.split(".")[0] for name in imports(one)} & FRAMEWORKS}

    assert not knowing


@pytest.mark.parametrize("path", modules("features/*/routes.py"), ids=shown)
def test_routes_do_not_speak_sql_and_never_commit(path):
    assert "sqlalchemy" not in {name.split(".")[0] for name in imports(path)}
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    names = {call.attr for call in calls if isinstance(call, ast.Attribute)}
    assert not names & {"commit", "rollback", "flush", "execute", "add_all"}


@pytest.mark.parametrize("path", modules("features/*/*.py"), ids=shown)
def test_the_gateway_is_never_called_inside_a_transaction(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.With) and any("transaction(" in ast.unparse(item) for item in node.items):
            assert ".gateway." not in ast.unparse(node), f"line {node.lineno}"


def test_only_the_launcher_reaches_into_the_embedded_processes():
    for path in [*modules(), *ROOT.glob("*.py")]:
        if layer_of(path) != "embedded" if path.is_relative_to(PACKAGE) else path.name != "app.py":
            assert not {name for name in imports(path) if name.startswith("anuma_dash.embedded")}, shown(path)


@pytest.mark.parametrize("path", modules("embedded/**/*.py"), ids=shown)
def test_an_embedded_process_shares_only_the_contract_with_the_dashboard(path):
    own = ".".join(path.relative_to(ROOT).parts[:3])
    borrowed = {name for name in imports(path) if name.startswith("anuma_dash.") and not name.startswith(own)}

    assert {name for name in borrowed if not name.startswith("anuma_dash.gateway")} <= {"anuma_dash.embedded"}
    assert {name for name in borrowed if name.startswith("anuma_dash.gateway.client")} == set()


@pytest.mark.parametrize("name", FEATURES)
def test_a_feature_is_found_under_the_same_name_everywhere(name):
    feature = importlib.import_module(f"anuma_dash.features.{name}")

    assert feature.blueprint.name == name
    assert (ROOT / "templates" / name).is_dir()
    assert (ROOT / "tests" / "features" / name / "__init__.py").is_file()


def test_nothing_is_called_utils_helpers_manager_or_common():
    words = {"utils", "util", "helpers", "helper", "manager", "common", "misc"}

    assert not [shown(path) for path in modules() if words & set(path.stem.split("_"))]


def test_files_over_the_size_guide_are_named(record_property, capsys):
    """A guide, not a law: this says which, and fails for none."""
    long = {
        shown(path): lines
        for path in modules()
        if (lines := len(path.read_text().splitlines()))
        > (GUIDE.get(path.name, 200) if layer_of(path) == "features" else MOST_LINES)
    }
    record_property("over_the_size_guide", long)
    with capsys.disabled():
        for name, lines in long.items():
            print(f"\n  over the size guide: {name}, {lines} lines", end="")  # noqa: T201 - a report for the terminal
