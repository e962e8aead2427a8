"""The permission table as people read it, drawn from `identity.permissions_of` and nothing else.

Each line pairs what a role may do at all with what it may do to its own. A permission that no line names gets a line of
its own words, so the table is never silent about one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from anuma_dash.identity import Account, Permission, Role, permissions_of

P = Permission


@dataclass(frozen=True)
class Line:
    """One line: its words, the permission, and optionally a smaller one with the word for having only that."""

    words: str
    full: Permission
    partial: Permission | None = None
    partial_word: str = "Own only"


LINES = (
    Line("Read the overview and usage", P.READ_OVERVIEW),
    Line("Read the request log", P.READ_REQUESTS),
    Line("See API keys", P.READ_KEYS),
    Line("Manage API keys", P.MANAGE_KEYS, P.MANAGE_OWN_KEYS),
    Line("Make, rename and retire apps", P.MANAGE_APPS),
    Line("Read stored prompts and responses", P.READ_CONTENT, P.READ_OWN_CONTENT),
    Line("See the data controls", P.READ_CONTROLS),
    Line("Change data controls and retention", P.CHANGE_CONTROLS),
    Line("Decide about their own chat history and memories", P.CHANGE_OWN_CONTROLS),
    Line("Delete stored data", P.DELETE_CONTENT, P.DELETE_OWN_CONTENT),
    Line("Keep memories of their own", P.OWN_MEMORIES),
    Line("Keep a chat history of their own", P.OWN_HISTORY),
    Line("See the account's details", P.READ_ACCOUNT),
    Line("Change the account's name and contact", P.CHANGE_ACCOUNT),
    Line("See who belongs to the account", P.READ_PEOPLE),
    Line("Manage people and roles", P.MANAGE_OWNERS, P.MANAGE_PEOPLE, "Except owners"),
    Line("Stop staff from adding an owner", P.STOP_RECOVERY),
    Line("Decide whether admins read stored content", P.DECIDE_READING),
    Line("Manage support access", P.MANAGE_SUPPORT_ACCESS),
    Line("Read the activity", P.READ_ACTIVITY, P.READ_OWN_ACTIVITY, "Own acts"),
    Line("Close the account", P.CLOSE_ACCOUNT),
)


@dataclass(frozen=True)
class TableRow:
    """A drawn line: its words, and for each role, in order, "Yes", a smaller word, or nothing."""

    words: str
    cells: Sequence[str]


def table(account: Account) -> list[TableRow]:
    """Every permission and what each role has of it in this account, by its own choices."""
    return [TableRow(line.words, [_cell(account, role, line) for role in Role]) for line in lines()]


def lines() -> list[Line]:
    """Every line: those with words of their own, and one for each permission that none of them names."""
    named = {one for line in LINES for one in (line.full, line.partial)}
    return [*LINES, *(Line(one.value[:1].upper() + one.value[1:], one) for one in Permission if one not in named)]


def _cell(account: Account, role: Role, line: Line) -> str:
    held = permissions_of(account, role)
    if line.full in held:
        return "Yes"
    return line.partial_word if line.partial in held else ""


def role_list(account: Account, role: Role) -> list[str]:
    """What a role may do, each a phrase such as "manage API keys (own only)"."""
    found = []
    for line in lines():
        cell = _cell(account, role, line)
        if cell:
            words = line.words[:1].lower() + line.words[1:]
            found.append(words if cell == "Yes" else f"{words} ({cell.lower()})")
    return found


def role_words(account: Account, role: Role) -> str:
    """What a role may do, in one sentence."""
    return "; ".join(role_list(account, role)) + "."


SUMMARIES = {
    Role.OWNER: "Everything, closing the account and making owners included.",
    Role.ADMIN: "Apps, keys, data controls, deletions, people but not owners, support access, the whole activity.",
    Role.DEVELOPER: "Makes apps and keys, and reads and deletes what their own keys stored.",
    Role.BILLING: "Sees the overview, and neither keys nor requests.",
    Role.VIEWER: "Sees the overview, keys and the request log; changes nothing.",
}


def summary(role: Role) -> str:
    """A role in one line, for choosing one; the table says it all."""
    return SUMMARIES[role]
