"""Chat history: each member's own conversations, found, read, renamed, pinned, deleted."""

from flask import Blueprint

from anuma_dash.web.menu import MenuEntry

blueprint = Blueprint("history", __name__)
MENU = (MenuEntry("Your data", "History", "history.index", "message"),)
