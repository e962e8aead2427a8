"""The journal: what may happen to the file, to the databases, and at any moment of an act."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sqlite3
from contextlib import closing, contextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from anuma_dash.embedded.gateway.__main__ import main
from anuma_dash.embedded.gateway.core import Gateway
from anuma_dash.embedded.gateway.environment import load_settings
from anuma_dash.embedded.gateway.identifiers import utc_now
from anuma_dash.embedded.gateway.journal import JournalRefused
from anuma_dash.embedded.gateway.migrations import migrate
from anuma_dash.embedded.gateway.replay import prepare
from tests.gateway.conftest import finished, run_gateway

LATER = timedelta(days=36)


@pytest.fixture
def acts(a_day, tmp_path):
    """The acts of a day in a gateway that has stopped: its environment, and who did what."""
    folder, account, key = a_day
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    return {"ANUMA_INSTANCE": str(tmp_path / "instance"), "ANUMA_GATEWAY_LOG_TO_STDERR": "no"}, account, key


@pytest.fixture(scope="module")
def a_day(tmp_path_factory, provider):
    folder = tmp_path_factory.mktemp("day")
    with run_gateway(folder / "instance", provider, {}) as running:
        dashboard = running.dashboard
        account = dashboard.new_account("Northwind Labs")
        key = dashboard.new_key(account, name="the laptop's key")
        dashboard.switch_logging(account, True)
        backup(folder)
        dashboard.switch_logging(account, False)
        assert dashboard.call("DELETE", account, f"/keys/{key['id']}").status_code == 200
        deletion = {"id": str(uuid4()), "scope": {"category": "request_content"}}
        assert dashboard.call("POST", account, "/deletions", body=deletion).status_code == 202
        done = finished(dashboard, account, deletion)
        assert (done["state"], done["failure"]) == ("verified", None)
    return folder, account, UUID(key["id"])


def journal_of(environ):
    return load_settings(environ).journal_file


def lines(environ):
    return [json.loads(line) for line in journal_of(environ).read_text().splitlines()]


def backup(folder):
    with (
        closing(sqlite3.connect(folder / "instance" / "gateway.sqlite")) as source,
        closing(sqlite3.connect(folder / "main.backup")) as target,
    ):
        source.backup(target)


def restore(tmp_path):
    for suffix in ("-wal", "-shm"):
        (tmp_path / "instance" / f"gateway.sqlite{suffix}").unlink(missing_ok=True)
    shutil.copyfile(tmp_path / "main.backup", tmp_path / "instance" / "gateway.sqlite")


def forget_the_journal(tmp_path):
    with closing(sqlite3.connect(tmp_path / "instance" / "gateway.sqlite")) as main_database:
        main_database.execute("DELETE FROM journal_position")
        main_database.commit()


@contextmanager
def started(environ, clock=utc_now):
    """A gateway that has done all that it does before it serves."""
    settings = load_settings(environ)
    migrate(settings)
    gateway = Gateway(settings, clock)
    try:
        prepare(gateway)
        yield gateway
    finally:
        gateway.release()


def logging_is_on(gateway, account):
    with gateway.stores.main.read() as connection:
        state = connection.exec_driver_sql(
            "SELECT state FROM controls WHERE account_id = ?", (account.hex,)
        ).scalar_one()
    return json.loads(state)["controls"]["prompt_logging"]["enabled"]


def test_it_holds_what_was_done_and_no_name(acts):
    environ, account, key = acts
    found = lines(environ)
    assert [line["act"] for line in found] == ["journal", "controls", "controls", "revocation", "deletion"]
    assert {line["account"] for line in found[1:]} == {str(account)}
    assert found[3]["key"] == str(key)
    text = journal_of(environ).read_text()
    assert "Northwind" not in text
    assert "laptop" not in text
    assert journal_of(environ).stat().st_mode & 0o077 == 0


def test_a_torn_last_line_is_cut_off(acts):
    environ, account, _ = acts
    whole = journal_of(environ).read_bytes()
    with journal_of(environ).open("ab") as file:
        file.write(b'{"n":5,"at":"2026-')
    with started(environ) as gateway:
        assert not logging_is_on(gateway, account)
    assert lines(environ)[-1]["act"] == "deletion"
    assert journal_of(environ).stat().st_size <= len(whole), "compacted, perhaps"


@pytest.mark.parametrize("damage", ["altered", "missing", "twice"])
def test_a_damaged_line_stops_the_start_and_is_named(acts, damage):
    environ, _, _ = acts
    found = journal_of(environ).read_bytes().splitlines(keepends=True)
    found[2:3] = {"altered": [found[2].replace(b"false", b"true ", 1)], "missing": [], "twice": [found[2]] * 2}[damage]
    journal_of(environ).write_bytes(b"".join(found))
    place = 4 if damage == "twice" else 3
    with pytest.raises(JournalRefused, match=f"line {place} of the journal .* is damaged"), started(environ):
        pass


def test_an_older_file_in_its_place_stops_the_start(acts):
    environ, _, _ = acts
    found = journal_of(environ).read_bytes().splitlines(keepends=True)
    journal_of(environ).write_bytes(b"".join(found[:-1]))
    words = "ends at act 3, the main database has seen act 4"
    with pytest.raises(JournalRefused, match=words), started(environ):
        pass


def test_another_deployments_file_stops_the_start(acts, tmp_path):
    environ, _, _ = acts
    other = {"ANUMA_INSTANCE": str(tmp_path / "other"), "ANUMA_GATEWAY_LOG_TO_STDERR": "no"}
    with started(other):
        pass
    shutil.copyfile(journal_of(other), journal_of(environ))
    with pytest.raises(JournalRefused, match="belongs to other databases"), started(environ):
        pass


def test_one_gateway_at_a_time(acts):
    environ, _, _ = acts
    with started(environ), pytest.raises(JournalRefused, match="another gateway process uses"), started(environ):
        pass


def test_a_file_that_was_replaced_before_it_was_held_is_not_written_to(acts, monkeypatch):
    """Another gateway that starts at the same moment compacts it: what is written to the old file is nowhere."""
    path, hold = journal_of(acts[0]), fcntl.flock

    def replace_then_hold(descriptor, operation):
        shutil.copyfile(path, path.with_suffix(".new"))
        path.with_suffix(".new").replace(path)
        hold(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", replace_then_hold)
    with pytest.raises(JournalRefused, match="another gateway process uses"), started(acts[0]):
        pass


def test_a_lost_journal_is_begun_anew_and_still_knows_what_the_databases_knew(acts, tmp_path, monkeypatch, capsys):
    environ, account, _ = acts
    journal_of(environ).unlink()
    with pytest.raises(JournalRefused, match="is missing"), started(environ):
        pass
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert main(["new-journal"]) == 0
    assert "Began a journal" in capsys.readouterr().out
    restore(tmp_path)
    with started(environ) as gateway:
        assert not logging_is_on(gateway, account), "the backup is older than both journals"


def test_databases_from_before_the_journal_get_one(acts, tmp_path):
    environ, account, key = acts
    journal_of(environ).unlink()
    forget_the_journal(tmp_path)
    with started(environ):
        pass
    assert [line["act"] for line in lines(environ)] == ["journal", "controls", "revocation", "deletion"]
    restore(tmp_path)
    forget_the_journal(tmp_path)
    with started(environ) as gateway, gateway.stores.main.read() as connection:
        assert not logging_is_on(gateway, account)
        query = "SELECT revoked_at FROM api_keys WHERE id = ?"
        assert connection.exec_driver_sql(query, (key.hex,)).scalar_one() is not None


def test_an_act_that_was_written_down_and_not_committed_is_carried_out_at_the_next_start(acts):
    environ, account, _ = acts
    with started(environ) as gateway:
        with pytest.raises(Dies):
            suspend_and_die(gateway, account)
        assert status_of(gateway, account) == "active"
    with started(environ) as gateway:
        assert status_of(gateway, account) == "suspended"


class Dies(Exception):
    pass


def test_keys_that_stopped_with_their_account_stay_stopped_after_a_restore(tmp_path, provider):
    environ = {"ANUMA_INSTANCE": str(tmp_path / "instance"), "ANUMA_GATEWAY_LOG_TO_STDERR": "no"}
    with run_gateway(tmp_path / "instance", provider, {}) as running:
        dashboard = running.dashboard
        account = dashboard.new_account("Northwind Labs")
        stopped, again = (dashboard.new_key(account, name=name) for name in ("stopped", "again"))
        backup(tmp_path)
        for status in ("suspended", "active"):
            dashboard.call("PUT", account, body={"name": "Northwind Labs", "status": status})
        patch = dashboard.call("PATCH", account, f"/keys/{again['id']}", body={"is_active": True})
        assert patch.json()["state"] == "active"
    acts = ["journal", "deactivation", "account", "account", "activation"]
    assert [line["act"] for line in lines(environ)] == acts

    def states(gateway):
        query = "SELECT name, deactivated_at IS NOT NULL FROM api_keys"
        with gateway.stores.main.read() as connection:
            return dict(connection.exec_driver_sql(query).all()), status_of(gateway, account)

    for _ in range(2):
        restore(tmp_path)
        with started(environ) as gateway:
            assert states(gateway) == ({"stopped": 1, "again": 0}, "active")
    assert stopped["state"] == "active", "when it was made"
    kept = [line["act"] for line in lines(environ)]
    assert kept == ["journal", "deactivation", "account", "activation"], "only the last state of the account"

    # A journal that is begun anew knows them from the database.
    journal_of(environ).unlink()
    forget_the_journal(tmp_path)
    with started(environ) as gateway:
        assert states(gateway) == ({"stopped": 1, "again": 0}, "active")
    restore(tmp_path)
    forget_the_journal(tmp_path)
    with started(environ) as gateway:
        assert states(gateway)[0]["stopped"] == 1


def test_a_key_that_was_handed_over_stays_so_after_a_restore(tmp_path, provider):
    environ = {"ANUMA_INSTANCE": str(tmp_path / "instance"), "ANUMA_GATEWAY_LOG_TO_STDERR": "no"}
    heir = uuid4()
    with run_gateway(tmp_path / "instance", provider, {}) as running:
        dashboard = running.dashboard
        account, strange = dashboard.new_account("Northwind Labs"), dashboard.new_account("Elsewhere")
        key, other = (dashboard.new_key(account, name=name) for name in ("the leaver's", "another"))
        backup(tmp_path)
        for _ in range(2):  # asked again, as after a lost answer
            changed = dashboard.call("PATCH", account, f"/keys/{key['id']}", body={"created_by": str(heir)})
            assert changed.json()["created_by"] == str(heir)
        foreign = dashboard.call("PATCH", strange, f"/keys/{other['id']}", body={"created_by": str(heir)})
        assert foreign.status_code == 404
    told = {"n": 1, "act": "handover", "account": str(account), "key": key["id"], "person": str(heir)}
    (line,) = lines(environ)[1:]
    assert told.items() <= line.items()

    def owners(gateway):
        with gateway.stores.main.read() as connection:
            found = connection.exec_driver_sql("SELECT id, created_by FROM api_keys").all()
        return {str(UUID(row.id)): row.created_by and str(UUID(row.created_by)) for row in found}

    kept = {key["id"]: str(heir), other["id"]: other["created_by"]}
    for _ in range(2):
        restore(tmp_path)
        with started(environ) as gateway:
            assert owners(gateway) == kept

    # A journal that is begun anew knows it from the database.
    journal_of(environ).unlink()
    forget_the_journal(tmp_path)
    with started(environ):
        pass
    restore(tmp_path)
    forget_the_journal(tmp_path)
    with started(environ) as gateway:
        assert owners(gateway) == kept


def suspend_and_die(gateway, account):
    with gateway.stores.main.write(durable=True) as connection:
        gateway.journal.account(connection, account, "suspended", gateway.now())
        raise Dies


def status_of(gateway, account):
    with gateway.stores.main.read() as connection:
        return connection.exec_driver_sql("SELECT status FROM accounts WHERE id = ?", (account.hex,)).scalar_one()


def test_an_act_that_cannot_be_written_down_is_not_carried_out(tmp_path, provider):
    with run_gateway(tmp_path / "instance", provider, {}) as running:
        account = running.dashboard.new_account()
        running.dashboard.switch_logging(account, True)
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, running.gateway.journal._descriptor)
        os.close(full)
        answer = running.dashboard.put_controls(account, 2)
        assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
        assert running.dashboard.get(account, "/controls")["epoch"] == 1
        assert running.chat(running.dashboard.new_key(account)["secret"]).status_code == 200, "requests go on"


def test_what_no_backup_can_have_forgotten_is_left_out(acts, tmp_path):
    environ, account, _ = acts
    with started(environ):
        pass
    assert [line["act"] for line in lines(environ)] == ["journal", "controls", "revocation", "deletion"], "the last one"

    with started(environ, lambda: utc_now() + LATER):
        pass
    assert [line["act"] for line in lines(environ)] == ["journal", "controls"]
    with started(environ) as gateway:
        assert not logging_is_on(gateway, account)

    restore(tmp_path)
    with pytest.raises(JournalRefused, match="main database is older than the journal"), started(environ):
        pass
