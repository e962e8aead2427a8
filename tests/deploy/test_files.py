"""The files of deploy/, read against what they name: commands, settings, secrets, figures. Nothing is started."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from anuma_dash.embedded.gateway.environment import load_settings
from anuma_dash.settings import Settings
from tests.deploy import guide
from tests.processes import ROOT

DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
TIMERS = sorted((DEPLOY / "systemd").glob("*.timer"))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
OURS = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "anuma-dashboard"}
PROVIDERS = [
    {
        "slug": "google",
        "label": "Google",
        "issuer": "https://accounts.google.com",
        "client_id": "anuma",
        "client_secret": "oT4kWq9zLm2XcV7b",
    }
]
HARDENED = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "CapabilityBoundingSet": "",
    "UMask": "0077",
}


def module_of(command: list[str]) -> str | None:
    """The module that a command of ours runs."""
    return command[command.index("-m") + 1] if "-m" in command else None


def needed(program: str, package: str) -> None:
    """Without this program a test is skipped saying what is missing, and fails where CI promises it."""
    if not shutil.which(program):
        missing = f"{program} is not installed (Debian: apt-get install {package})"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing)


def is_there(module: str) -> bool:
    """Whether `python -m module` would find something."""
    return importlib.util.find_spec(module) is not None


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The secrets of the containers, made by the guide's own commands."""
    folder = tmp_path_factory.mktemp("machine")
    done = guide.run("secrets", {}, folder)
    assert done.returncode == 0, done.stderr
    made = folder / "deploy" / "secrets"
    (made / "sign_in_providers").write_text(json.dumps(PROVIDERS))
    (made / "smtp_url").write_text("smtps://anuma:k3Vw9QzT4mXc@mail.example")
    for name in ("sign_in_providers", "smtp_url"):
        (made / name).chmod(0o600)
    return made


class TestContainers:
    @staticmethod
    def environment(service: dict, secrets: Path) -> dict[str, str]:
        """What the container would see, with the secrets where they are here."""
        given = {"ANUMA_ENV": "production", **service["environment"]}
        assert {type(value) for value in given.values()} == {str}, "compose would turn numbers and booleans into words"
        return {name: value.replace("/run/secrets", str(secrets)) for name, value in given.items()}

    @pytest.mark.parametrize("name", ["web", "worker", "migrate"])
    def test_the_dashboard_accepts_its_settings_in_production(self, secrets: Path, name: str) -> None:
        environ = self.environment(OURS[name], secrets)
        settings = Settings.from_environment(environ)

        assert settings.production
        password = (secrets / "postgres_password").read_text().strip()
        assert settings.database_url == f"postgresql://anuma:{password}@postgres/anuma"
        known = {f"ANUMA_{field.upper()}" for field in Settings.model_fields}
        assert {one if one in known else one.removesuffix("_FILE") for one in environ} <= known

    def test_the_gateway_accepts_its_settings_in_production(self, secrets: Path, tmp_path: Path) -> None:
        environ = self.environment(OURS["gateway"], secrets) | {"ANUMA_INSTANCE": str(tmp_path)}
        settings = load_settings(environ)

        assert settings.environment == "production"
        assert settings.log_file is None
        assert str(settings.journal_file).startswith("/var/lib/anuma/")
        assert OURS["gateway"]["volumes"] == ["journal:/var/lib/anuma"]

    def test_secrets_are_nobody_elses_to_read(self, secrets: Path) -> None:
        assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in secrets.iterdir()} == {0}

    def test_every_secret_is_made_declared_and_used(self, secrets: Path) -> None:
        declared = {name: Path(one["file"]).name for name, one in COMPOSE["secrets"].items()}
        used = {name for service in COMPOSE["services"].values() for name in service.get("secrets", ())}

        assert set(declared) == used == set(declared.values())
        assert set(declared) == {path.name for path in secrets.iterdir()}
        for name, service in OURS.items():
            named = set(re.findall(r"/run/secrets/([\w.-]+)", json.dumps(service.get("environment", {}))))
            assert named == set(service.get("secrets", ())), name

    def test_everything_that_is_named_is_there(self) -> None:
        services = COMPOSE["services"]
        for name, service in services.items():
            assert re.search(r":\d", service["image"]) or service["image"] == "anuma-dashboard", "pinned by a tag"
            assert set(service.get("networks", ())) <= set(COMPOSE["networks"])
            for volume in service.get("volumes", ()):
                source = volume.partition(":")[0]
                here = (DEPLOY / source).exists() or source == "./tls"
                assert here if source.startswith(".") else source in COMPOSE["volumes"], volume
            for other, condition in service.get("depends_on", {}).items():
                healthy = condition["condition"] == "service_healthy"
                assert not healthy or "healthcheck" in services[other] or other == "web", f"{name} waits for {other}"
            module = module_of(service.get("command", []) if name in OURS else [])
            assert module is None or is_there(module)
        assert set(COMPOSE["volumes"]) == {"journal", "postgres", "static"}

    def test_only_nginx_is_reached_from_outside_and_databases_reach_nothing(self) -> None:
        services = COMPOSE["services"]
        assert {name for name, service in services.items() if "ports" in service} == {"nginx"}
        assert COMPOSE["networks"]["inside"] == {"internal": True}
        inside = {name for name, service in services.items() if service.get("networks") == ["inside"]}
        assert inside == {"migrate", "postgres", "redis"}
        for service in OURS.values():
            assert service["read_only"]
            assert service["cap_drop"] == ["ALL"]

    def test_the_image(self) -> None:
        lines = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
        instructions = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]

        def said(word: str) -> list[str]:
            return [rest for instruction, rest in instructions if instruction == word]

        assert all(re.match(r"python:3\.\d+-slim-\w+", base) for base in said("FROM"))
        assert any("--require-hashes --requirement requirements-production.txt" in line for line in said("RUN"))
        assert said("USER") == ["10001:10001"]
        sources = [part for line in said("COPY") if not line.startswith("--from") for part in line.split()[:-1]]
        assert all((ROOT / source).exists() for source in sources)
        allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
        assert set(sources) == set(allowed), "the builder gets what is copied, and nothing else"
        assert json.loads(said("CMD")[0])[-1] == "wsgi:app"
        probe = json.loads(said("HEALTHCHECK")[0].partition("CMD ")[2])
        assert (ROOT / probe[1]).is_file()


def directives(unit: Path) -> dict[str, list[str]]:
    """What a unit says, by name."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


class TestSystemd:
    @pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
    def test_a_unit_gives_away_nothing_it_needs_not(self, unit: Path) -> None:
        said = directives(unit)

        assert {name: said[name][0] for name in HARDENED} == HARDENED
        assert said["User"][0].startswith("anuma")
        handed = {one.partition(":")[0] for one in said["LoadCredential"]}
        assert handed == set(re.findall(r"%d/([\w-]+)", " ".join(said["Environment"]))), "each is used, each is there"
        if "oneshot" not in said.get("Type", []):
            assert said["Restart"] == ["on-failure"]
            assert int(said["TimeoutStopSec"][0]) >= 30

    @pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
    def test_a_unit_runs_what_exists_with_settings_that_exist(self, unit: Path) -> None:
        said = directives(unit)
        command = said["ExecStart"][0].split()
        module = module_of(command)

        assert command[0] == "/srv/anuma/.venv/bin/python"
        assert is_there(module) if module else (ROOT / command[1]).is_file()
        fields = {f"ANUMA_{name.upper()}" for name in Settings.model_fields}
        gateway = {"DATABASE_URL", "KEYS_DATABASE_URL", "PROVIDERS", "METRICS_TOKEN", "KEK_FILES", "JOURNAL_FILE"}
        known = fields | {f"ANUMA_GATEWAY_{name}" for name in gateway}
        named = {one.partition("=")[0] for one in said["Environment"]}
        assert {name if name in known else name.removesuffix("_FILE") for name in named} <= known

    @pytest.mark.parametrize("name", ["web", "worker", "audit"])
    def test_the_dashboard_accepts_its_settings_in_production(self, secrets: Path, name: str) -> None:
        said = directives(DEPLOY / "systemd" / f"anuma-{name}.service")
        handed = dict(one.split("=", 1) for one in said["Environment"])
        environ = {name: value.replace("%d", str(secrets)) for name, value in handed.items()}
        plain = {n: v for n, v in OURS["web"]["environment"].items() if "/run/secrets" not in v}

        assert Settings.from_environment({"ANUMA_ENV": "production", **plain, **environ}).production

    @pytest.mark.parametrize("timer", TIMERS, ids=lambda timer: timer.name)
    def test_a_timer_starts_a_unit_that_exists(self, timer: Path) -> None:
        assert timer.with_suffix(".service") in UNITS

    def test_systemd_itself_has_nothing_to_say(self, tmp_path: Path) -> None:
        needed("systemd-analyze", "systemd")
        for path in [*UNITS, *TIMERS]:
            text = path.read_text().replace("/srv/anuma/.venv/bin/python", sys.executable)
            (tmp_path / path.name).write_text(text)

        done = subprocess.run(
            ["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")


class TestPrometheus:
    @pytest.fixture
    def rules(self) -> list[dict]:
        groups = yaml.safe_load((DEPLOY / "prometheus-alerts.yaml").read_text())["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def test_the_guide_and_the_rules_name_the_same_alerts(self, rules: list[dict]) -> None:
        explained = re.findall(r"^\| `(Anuma\w+)` \|", guide.GUIDE.read_text(), re.MULTILINE)

        assert [rule["alert"] for rule in rules] == explained
        for rule in rules:
            assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
            assert rule["annotations"]["summary"].endswith(".")

    def test_prometheus_itself_accepts_the_rules(self) -> None:
        needed("promtool", "prometheus")
        command = ["promtool", "check", "rules", str(DEPLOY / "prometheus-alerts.yaml")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def test_panels_do_not_overlap_and_each_asks_for_something(self) -> None:
        panels = json.loads((DEPLOY / "grafana-dashboard.json").read_text())["panels"]
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels]

        assert len(set(places)) == len({panel["id"] for panel in panels}) == len(panels)
        assert all(target["expr"] for panel in panels for target in panel["targets"])


def test_the_guide_names_only_files_that_exist() -> None:
    for link in re.findall(r"\]\((\.\./deploy[^)#]*|decisions/[^)#]*)", guide.GUIDE.read_text()):
        assert (guide.GUIDE.parent / link).exists(), link


class TestStores:
    """What deploy/stores.py refuses; what it does is in test_guide.py."""

    @staticmethod
    def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ANUMA_")}
        return subprocess.run(
            [sys.executable, str(DEPLOY / "stores.py"), *arguments],
            cwd=folder,
            env=kept | {"ANUMA_INSTANCE": str(folder)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def test_data_and_keys_in_one_folder(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, "save", "--data", "backup", "--keys", "./backup")
        assert done.returncode == 1
        assert "must not be the same" in done.stderr

    def test_a_store_that_is_not_there_is_not_an_empty_backup(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, "save", "--data", "data", "--keys", "keys")
        assert done.returncode == 1
        assert "not done" in done.stderr
        assert not list((tmp_path / "data").glob("*.sqlite"))

    def test_a_backup_that_is_not_there(self, tmp_path: Path) -> None:
        done = self.run(tmp_path, "restore", "--data", "data", "--keys", "keys", "--at", "20260101T000000Z")
        assert done.returncode == 1
        assert "there is no" in done.stderr
        assert not list(tmp_path.glob("*.sqlite"))
