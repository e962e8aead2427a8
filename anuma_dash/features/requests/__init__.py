"""The request log: metadata of every call; its content only if it was stored, else why not."""

from flask import Blueprint

from anuma_dash.web.menu import MenuEntry

blueprint = Blueprint("requests", __name__)
MENU = (MenuEntry("", "Request log", "requests.index", "list"),)
