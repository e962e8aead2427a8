"""Processes of different versions beside each other: what does not fit refuses at its start, naming both versions."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask import Flask

from anuma_dash import cli, create_app, worker
from anuma_dash.embedded.gateway import migrations as gateway
from anuma_dash.embedded.gateway.environment import load_settings
from anuma_dash.gateway.schemas import CONTRACT_VERSION
from anuma_dash.migrations import SCRIPTS, Outdated, migrate
from anuma_dash.settings import Settings
from anuma_dash.versions import OtherContract
from anuma_dash.web.observe import check_versions
from tests.processes import ROOT, stack

COMMANDS = {
    "web": ("-m", "gunicorn", "--no-control-socket", "--bind", "127.0.0.1:0", "wsgi:app"),
    "worker": ("-m", "anuma_dash.worker"),
    "command line": ("-m", "anuma_dash", "audit", "verify"),
    "migration": ("-m", "anuma_dash", "migrate"),
}
SECONDS = 180


def ends(environment: dict[str, str], names: list[str]) -> dict[str, tuple[int, str]]:
    """Start these processes at once; what each said, and its exit status, after all have ended by themselves."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANUMA_")}
    running = {
        name: subprocess.Popen(
            [sys.executable, *COMMANDS[name]],
            cwd=ROOT,
            env=kept | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in names
    }
    try:
        said = {name: process.communicate(timeout=SECONDS)[0] for name, process in running.items()}
    finally:
        for process in running.values():
            process.kill()
            process.communicate()
    return {name: (running[name].returncode, text) for name, text in said.items()}


def set_schema(settings: Settings, version: str) -> None:
    with closing(sqlite3.connect(settings.instance / "dashboard.sqlite")) as connection, connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (version,))


@pytest.mark.processes
def test_a_newer_schema_stops_web_worker_command_line_and_migration(tmp_path: Path) -> None:
    with stack(tmp_path) as found:
        settings = Settings.from_environment(found.environment)
        migrate(settings.database_url)
        set_schema(settings, "9999")
        for name, (status, said) in ends(found.environment, list(COMMANDS)).items():
            assert status != 0, name
            assert "has schema 9999" in said, (name, said)
            assert f"this version wants {SCRIPTS.get_current_head()}" in said, name
            assert "A newer version made it" in said, name
            if name != "web":  # gunicorn tells why its application does not load, in its own way
                assert "Traceback" not in said, said


@pytest.mark.processes
@pytest.mark.parametrize("name", ["gateway", "gateway-keys"])
def test_a_newer_schema_of_either_database_stops_the_gateway(tmp_path: Path, name: str) -> None:
    with stack(tmp_path) as found:
        gateway.migrate(load_settings(found.environment))
        with closing(sqlite3.connect(tmp_path / "instance" / f"{name}.sqlite")) as connection, connection:
            connection.execute("UPDATE gateway_version SET version_num = 'main_9999'")
        process = found.start("gateway", "-m", "anuma_dash.embedded.gateway")
        assert process.popen.wait(SECONDS) == 1
        said = process.log.read_text()
        assert re.search(r"refuses to start: .* has schema main_9999; this gateway knows up to \w+", said), said
        assert "Traceback" not in said


def test_a_database_that_was_never_migrated_stops_them_and_names_the_command(tmp_path, monkeypatch, capsys):
    with stack(tmp_path) as found:
        settings = with_environment(found.environment, monkeypatch)
        wanted = f"has schema none, this version wants {SCRIPTS.get_current_head()}. Run: python -m anuma_dash migrate"
        with closing_app(settings) as app, pytest.raises(Outdated, match=re.escape(wanted)):
            check_versions(app)
        assert worker.main() == 1
        assert wanted in capsys.readouterr().err
        answer = CliRunner().invoke(cli.main, ["audit", "verify"])
        assert answer.exit_code == 1
        assert wanted in answer.output


def with_environment(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in environment.items():
        if name.startswith("ANUMA_"):
            monkeypatch.setenv(name, value)
    return Settings.from_environment(environment)


@contextmanager
def closing_app(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    try:
        yield app
    finally:
        app.extensions["anuma"].gateway.close()
        app.extensions["anuma"].db.dispose()


@contextmanager
def gateway_of_contract(version: str) -> Iterator[str]:
    """A gateway that says which contract it speaks, and nothing else."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"contract": version, "gateway": "another", "version": "1"}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("version", ["0.9", "99.0"], ids=["older", "newer"])
def test_a_gateway_of_another_contract_stops_web_and_worker(tmp_path, version, monkeypatch, capsys):
    words = f"speaks contract {version}, this dashboard speaks {CONTRACT_VERSION}"
    with gateway_of_contract(version) as url, stack(tmp_path, ANUMA_GATEWAY_URL=url) as found:
        settings = with_environment(found.environment, monkeypatch)
        migrate(settings.database_url)
        with closing_app(settings) as app, pytest.raises(OtherContract, match=re.escape(words)):
            check_versions(app)
        assert worker.main() == 1
        assert words in capsys.readouterr().err
