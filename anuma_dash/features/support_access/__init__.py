"""Support access: letting staff in, seeing who is inside, ending it."""

from flask import Blueprint

from anuma_dash.web.menu import MenuEntry

blueprint = Blueprint("support_access", __name__)
MENU = (MenuEntry("Account", "Support access", "support_access.index", "lifebuoy"),)
