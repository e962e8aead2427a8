"""API keys: made (the secret is shown once), listed, revoked with proof."""

from flask import Blueprint

from anuma_dash.web.menu import MenuEntry

blueprint = Blueprint("keys", __name__)
MENU = (MenuEntry("", "API keys", "keys.index", "key"),)
