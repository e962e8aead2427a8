"""People: members, roles, invitations, who left and what becomes of their keys."""

from flask import Blueprint

from anuma_dash.web.menu import MenuEntry

blueprint = Blueprint("people", __name__)
MENU = (MenuEntry("Account", "People", "people.index", "users"),)
