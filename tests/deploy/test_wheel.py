"""What is built is whole: the wheel, installed somewhere else, brings its pages, its files and its commands."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from zipfile import ZipFile

import pytest

from tests.processes import ROOT

SECONDS = 180
SIGN_IN = """
import re, sys
from pathlib import Path
import anuma_dash
from anuma_dash.migrations import migrate
from anuma_dash.settings import Settings

assert Path(anuma_dash.__file__).is_relative_to(sys.prefix), anuma_dash.__file__
settings = Settings.from_environment()
migrate(settings.database_url)
client = anuma_dash.create_app(settings).test_client()
page = client.get("/sign-in", base_url=settings.public_url)
assert page.status_code == 200, page.status
found = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
assert found
for one in found:
    assert client.get(one, base_url=settings.public_url).status_code == 200, one
print(re.search("<h1[^>]*>(.*?)</h1>", page.text).group(1))
"""


def run(*command, folder):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANUMA_", "PYTHON"))}
    environment["ANUMA_INSTANCE"] = str(folder / "instance")
    told = subprocess.run(
        [str(part) for part in command], cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    assert told.returncode == 0, told.stdout + told.stderr
    return told.stdout


@pytest.mark.processes
def test_the_wheel_installed_elsewhere_is_whole(tmp_path):
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    build = ("wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", tmp_path, ROOT)
    run(*pip, *build, folder=tmp_path)
    (wheel,) = tmp_path.glob("anuma_dash-*.whl")
    names = ZipFile(wheel).namelist()
    assert not [name for name in names if name.startswith(("tests/", "instance/", "benchmarks/"))]

    elsewhere = tmp_path / "elsewhere"
    venv.create(elsewhere, symlinks=True)
    python = elsewhere / "bin" / "python"
    run(*pip, "--python", python, "install", "--no-deps", "--no-index", wheel, folder=tmp_path)
    (packages,) = elsewhere.glob("lib/python*/site-packages")
    (packages / "what-it-needs.pth").write_text(sysconfig.get_path("purelib") + "\n")

    assert "Sign in" in run(python, "-c", SIGN_IN, folder=tmp_path)
    assert "Usage" in run(elsewhere / "bin" / "anuma-dash", "--help", folder=tmp_path)
    for part in ("gateway", "sandbox"):
        assert f"anuma_dash/embedded/{part}/__main__.py" in names
    assert "anuma_dash/gateway/openapi.yaml" in names
