"""The journal: what a restored backup must not forget. A file of its own, apart from the databases.

One JSON object a line: control changes, the states of accounts and keys, deletions; identifiers, times and switches
only. Each line bears a checksum over itself and the line before, so that a damaged or missing line is found.

A line is on disk (fsync) before the transaction of its act commits. So what was acknowledged is always in it. A line
whose transaction did not commit is an act that was asked for and not answered: carrying it out at the next start is
what would have happened had the answer been lost. `replay.py` compares the journal with the databases.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import Connection, select, update

from anuma_dash.gateway.schemas import AccountStatus, DeletionScope

from .policy import State
from .tables import journal_position

_SUM_CHARACTERS: Final = 32


class JournalRefused(Exception):
    """The gateway must not serve with this journal: it is damaged, missing, in use, or not the databases' own."""


class JournalUnavailable(Exception):
    """An act could not be written down (the disk is full, perhaps), so it is not carried out."""


class _Line(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    n: int
    at: datetime


class Header(_Line):
    """The first line.

    `replaces` names journals that were lost before this one, `through` is the last number that was given when this
    file was written, `dropped_through` the highest one of the acts that were left out because no backup is that old.
    """

    act: Literal["journal"] = "journal"
    journal: UUID
    replaces: tuple[UUID, ...] = ()
    through: int = 0
    dropped_through: int = 0


class AccountAct(_Line):
    """An account became active, suspended or closed."""

    act: Literal["account"] = "account"
    account: UUID
    status: AccountStatus


class ControlsAct(_Line):
    """A requested state was applied."""

    act: Literal["controls"] = "controls"
    account: UUID
    epoch: int
    body_hash: str
    state: State


class RevocationAct(_Line):
    """A key was revoked, at `at`."""

    act: Literal["revocation"] = "revocation"
    account: UUID
    key: UUID


class DeactivationAct(_Line):
    """Keys stopped with their account, at `at`."""

    act: Literal["deactivation"] = "deactivation"
    account: UUID
    keys: tuple[UUID, ...]


class ActivationAct(_Line):
    """A key that had stopped with its account was activated again."""

    act: Literal["activation"] = "activation"
    account: UUID
    key: UUID


class HandoverAct(_Line):
    """A key became somebody else's."""

    act: Literal["handover"] = "handover"
    account: UUID
    key: UUID
    person: UUID


class DeletionAct(_Line):
    """A deletion was accepted, at `at`."""

    act: Literal["deletion"] = "deletion"
    account: UUID
    deletion: UUID
    scope: DeletionScope


Act = AccountAct | ControlsAct | RevocationAct | DeactivationAct | ActivationAct | HandoverAct | DeletionAct
_LINE: Final[TypeAdapter[Header | Act]] = TypeAdapter(Annotated[Header | Act, Field(discriminator="act")])


class Journal:
    """The file. Open it before anything is served; one process at a time may."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.Lock()
        self._descriptor: int | None = None
        self._broken = False
        self._sum, self._size, self.last = "", 0, 0

    def open(self) -> tuple[Header, list[Act]] | None:
        """Take hold of the file and read it; `None` if there is none. A torn last line is cut off: nobody was told.

        Raises:
            JournalRefused: a line is damaged, or another gateway uses the file.
        """
        self.close()
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            return None
        self._hold(descriptor)
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:
            os.ftruncate(descriptor, len(whole))
            os.fsync(descriptor)
        self._sum, self._size = "", len(whole)
        lines = list(self._read(whole.splitlines()))
        if not lines or not isinstance(lines[0], Header):
            raise JournalRefused(f"the journal {self.path} does not begin as a journal does: line 1 is damaged")
        acts = [line for line in lines[1:] if not isinstance(line, Header)]
        self.last = max([lines[0].through, *(act.n for act in acts)])
        return lines[0], acts

    def begin(self, header: Header, acts: Iterable[Act]) -> None:
        """Put a new file, with these acts, in the place of the present one, whole or not at all."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        name = self.path.with_name(f"{self.path.name}.new")
        self._sum, self._size, self.last = "", 0, header.through
        written = b"".join(self._encoded(line) for line in (header, *acts))
        descriptor = os.open(name, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write(descriptor, written)
            os.fsync(descriptor)
            name.replace(self.path)
            _sync_folder(self.path.parent)
        except OSError:
            os.close(descriptor)
            raise
        self._size = len(written)
        self._hold(descriptor)

    def account(self, connection: Connection, account: UUID, status: AccountStatus, now: datetime) -> None:
        """Write down that an account's state changed, in the transaction that changes it."""
        self._append(connection, AccountAct(n=self._next(connection), at=now, account=account, status=status))

    def controls(
        self, connection: Connection, account: UUID, epoch: int, body_hash: str, state: State, now: datetime
    ) -> None:
        """Write down a state of the controls, in the transaction that applies it."""
        number = self._next(connection)
        act = ControlsAct(n=number, at=now, account=account, epoch=epoch, body_hash=body_hash, state=state)
        self._append(connection, act)

    def revocation(self, connection: Connection, account: UUID, key: UUID, now: datetime) -> None:
        """Write down a revocation, in the transaction that makes it."""
        self._append(connection, RevocationAct(n=self._next(connection), at=now, account=account, key=key))

    def deactivation(self, connection: Connection, account: UUID, keys: Sequence[UUID], now: datetime) -> None:
        """Write down that keys stop, in the transaction that deactivates them."""
        number = self._next(connection)
        self._append(connection, DeactivationAct(n=number, at=now, account=account, keys=tuple(keys)))

    def activation(self, connection: Connection, account: UUID, key: UUID, now: datetime) -> None:
        """Write down that a key works again, in the transaction that activates it."""
        self._append(connection, ActivationAct(n=self._next(connection), at=now, account=account, key=key))

    def handover(self, connection: Connection, account: UUID, key: UUID, person: UUID, now: datetime) -> None:
        """Write down whose key it is now, in the transaction that hands it over."""
        number = self._next(connection)
        self._append(connection, HandoverAct(n=number, at=now, account=account, key=key, person=person))

    def deletion(
        self, connection: Connection, account: UUID, deletion: UUID, scope: DeletionScope, now: datetime
    ) -> None:
        """Write down a deletion, in the transaction that accepts it."""
        number = self._next(connection)
        self._append(connection, DeletionAct(n=number, at=now, account=account, deletion=deletion, scope=scope))

    def close(self) -> None:
        """Let go of the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _next(self, connection: Connection) -> int:
        # The row's lock makes the order of the lines the order of the commits (PostgreSQL; SQLite has one writer).
        connection.execute(select(journal_position.c.number).with_for_update()).one()
        return self.last + 1

    def _append(self, connection: Connection, act: Act) -> None:
        with self._turn:
            if self._broken or self._descriptor is None:
                raise JournalUnavailable
            before = self._sum
            line = self._encoded(act)
            try:
                _write(self._descriptor, line)
            except OSError as error:
                self._sum = before
                self._take_back()
                raise JournalUnavailable from error
            try:
                os.fsync(self._descriptor)
            except OSError as error:  # what is on disk is unknown from here on: only a new start reads it anew
                self._broken = True
                raise JournalUnavailable from error
            self._size += len(line)
            self.last = act.n
        connection.execute(update(journal_position).values(number=act.n))

    def _take_back(self) -> None:
        assert self._descriptor is not None
        try:
            os.ftruncate(self._descriptor, self._size)
        except OSError:
            self._broken = True

    def _hold(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise self._in_use() from None
        if not os.path.samestat(os.fstat(descriptor), self.path.stat()):  # replaced between opening and holding it
            os.close(descriptor)
            raise self._in_use()
        self.close()
        self._descriptor = descriptor

    def _encoded(self, line: Header | Act) -> bytes:
        body = line.model_dump(mode="json")
        self._sum = _sum(self._sum, body)
        return json.dumps(body | {"sum": self._sum}, separators=(",", ":")).encode() + b"\n"

    def _read(self, lines: list[bytes]) -> Iterator[Header | Act]:
        number = -1
        for place, line in enumerate(lines, 1):
            try:
                body: dict[str, Any] = json.loads(line)
                told = body.pop("sum")
                self._sum = _sum(self._sum, body)
                found = _LINE.validate_python(body)
            except (ValueError, KeyError, AttributeError, TypeError, ValidationError):
                raise self._damaged(place) from None
            if told != self._sum or found.n <= number:
                raise self._damaged(place)
            number = found.n
            yield found

    def _in_use(self) -> JournalRefused:
        return JournalRefused(f"another gateway process uses the journal {self.path}")

    def _damaged(self, place: int) -> JournalRefused:
        return JournalRefused(
            f"line {place} of the journal {self.path} is damaged, or lines before it are missing; "
            "put the undamaged file back in its place"
        )


def _sum(before: str, body: dict[str, Any]) -> str:
    text = before + json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:_SUM_CHARACTERS]


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
