"""The vault: what is sealed opens in its own place only, and outlives a change of the key."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

import pytest
from click.testing import CliRunner

from anuma_dash.cli import main
from anuma_dash.db import new_id
from anuma_dash.mail import Mail
from anuma_dash.settings import VaultKey
from anuma_dash.vault import Unreadable, Vault, rotate, sealable_tables

OLD = VaultKey(id="old", path=Path("none"), secret=secrets.token_bytes(32))
NEW = VaultKey(id="new", path=Path("none"), secret=secrets.token_bytes(32))
SECRET = b"the code is 1234 5678"


def put(world, *, vault=None, person=None, secret=SECRET):
    """A row with a secret of this person, in the database."""
    row = Mail(id=new_id(), user_id=(person or world.olive).id, letter="confirmation_code", state="waiting")
    row.created_at = row.expires_at = world.clock.now
    (vault or Vault([OLD])).seal(row, secret)
    with world.db.transaction() as tx:
        tx.add(row)
    return row


def only(world):
    (row,) = world.rows(Mail)
    return row


def test_what_is_sealed_opens_again_and_the_database_holds_no_word_of_it(world):
    put(world)
    row = only(world)

    assert Vault([OLD]).open(row) == SECRET
    assert b"1234" not in row.ciphertext + row.wrapped_data_key
    assert row.vault_key_id == "old"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
class TestWhatDoesNotOpen:
    def test_a_secret_moved_to_another_row(self, world):
        one, other = put(world), put(world, secret=b"another")
        other.ciphertext, other.wrapped_data_key = one.ciphertext, one.wrapped_data_key

        with pytest.raises(Unreadable, match="moved or altered"):
            Vault([OLD]).open(other)

    def test_a_ciphertext_moved_under_another_rows_data_key(self, world):
        one, other = put(world), put(world)
        other.ciphertext = one.ciphertext

        with pytest.raises(Unreadable):
            Vault([OLD]).open(other)

    def test_a_secret_given_to_another_person(self, world):
        row = put(world)
        row.user_id = world.strange.id

        with pytest.raises(Unreadable):
            Vault([OLD]).open(row)

    @pytest.mark.parametrize("column", ["ciphertext", "wrapped_data_key"])
    @pytest.mark.parametrize("place", [0, 20, -1])
    def test_a_changed_byte(self, world, column, place):
        row = put(world)
        altered = bytearray(getattr(row, column))
        altered[place] ^= 1
        setattr(row, column, bytes(altered))

        with pytest.raises(Unreadable):
            Vault([OLD]).open(row)

    def test_a_secret_whose_key_is_another_or_missing(self, world):
        row = put(world)

        for keys in ([NEW], [VaultKey(id="old", path=Path("none"), secret=NEW.secret)], []):
            with pytest.raises(Unreadable):
                Vault(keys).open(row)

    def test_a_secret_that_was_destroyed(self, world):
        row = put(world)
        row.empty()

        with pytest.raises(Unreadable):
            Vault([OLD, NEW]).open(row)
        assert (row.vault_key_id, row.wrapped_data_key, row.ciphertext) == (None, None, None)

    def test_nothing_is_sealed_without_a_key(self, world):
        with pytest.raises(Unreadable, match="no key"):
            put(world, vault=Vault([]))


def of_mails(done):
    """What came of one table's rotation."""
    return {one.table: one for one in done}["mails"]


def test_after_a_rotation_the_old_key_is_not_needed_and_nothing_was_encrypted_anew(world, monkeypatch):
    monkeypatch.setattr("anuma_dash.vault.BATCH", 2)
    before = {put(world, secret=f"secret {number}".encode()).id: number for number in range(5)}
    put(world, vault=Vault([NEW]), secret=b"new already")
    ciphertexts = {row.id: row.ciphertext for row in world.rows(Mail)}

    done = of_mails(rotate(world.db, Vault([NEW, OLD])))

    assert (done.table, done.rewrapped, done.unreadable) == ("mails", 5, 0)
    rows = world.rows(Mail)
    assert {row.id: row.ciphertext for row in rows} == ciphertexts
    opened = {row.id: Vault([NEW]).open(row) for row in rows}
    assert {opened[one] for one in before} == {f"secret {number}".encode() for number in range(5)}
    with pytest.raises(Unreadable):
        Vault([OLD]).open(rows[0])
    assert of_mails(rotate(world.db, Vault([NEW, OLD]))).rewrapped == 0


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_a_rotation_leaves_what_it_cannot_open_and_says_so(world):
    lost = put(world, vault=Vault([VaultKey(id="lost", path=Path("none"), secret=secrets.token_bytes(32))]))
    put(world)

    done = of_mails(rotate(world.db, Vault([NEW, OLD])))

    assert (done.rewrapped, done.unreadable) == (1, 1)
    assert {row.id: row.vault_key_id for row in world.rows(Mail)}[lost.id] == "lost"


NO_EXPORTS = "activity_export_chunks: 0 wrapped anew under new, 0 not readable\n"


@pytest.mark.parametrize("engine", ["sqlite"], indirect=True)
def test_an_operator_rotates_from_the_command_line(world, tmp_path, monkeypatch):
    for key in (OLD, NEW):
        (tmp_path / key.id).write_bytes(base64.urlsafe_b64encode(key.secret))
    monkeypatch.setenv("ANUMA_INSTANCE", str(tmp_path / "instance"))
    monkeypatch.setenv("ANUMA_DATABASE_URL", world.settings.database_url)
    monkeypatch.setenv("ANUMA_VAULT_KEYS", f"new:{tmp_path / 'new'},old:{tmp_path / 'old'}")
    put(world)

    first, second = (CliRunner().invoke(main, ["vault", "rotate"]) for _ in range(2))

    assert (first.exit_code, first.output) == (0, f"{NO_EXPORTS}mails: 1 wrapped anew under new, 0 not readable\n")
    assert (second.exit_code, second.output) == (0, f"{NO_EXPORTS}mails: 0 wrapped anew under new, 0 not readable\n")
    assert Vault([NEW]).open(only(world)) == SECRET
    put(world, vault=Vault([VaultKey(id="lost", path=Path("none"), secret=secrets.token_bytes(32))]))
    assert CliRunner().invoke(main, ["vault", "rotate"]).exit_code == 1


def test_every_table_with_secrets_is_rotated():
    assert [model.__tablename__ for model in sealable_tables()] == ["activity_export_chunks", "mails"]
