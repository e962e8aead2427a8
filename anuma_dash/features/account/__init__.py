"""The account: what it says of itself, organizations, closing it."""

from flask import Blueprint

from anuma_dash.web.menu import MenuEntry

blueprint = Blueprint("account", __name__)
MENU = (MenuEntry("Account", "Account", "account.index", "building"),)
