"""The overview: what happens in the account, what is stored right now, what needs attention."""

from flask import Blueprint

from anuma_dash.web.menu import MenuEntry

blueprint = Blueprint("overview", __name__)
MENU = (MenuEntry("", "Overview", "overview.index", "home"),)
