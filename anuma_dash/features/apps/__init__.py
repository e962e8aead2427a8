"""Apps: named groups of keys. Made, renamed, retired; they live in the gateway."""

from flask import Blueprint

from anuma_dash.web.menu import MenuEntry

blueprint = Blueprint("apps", __name__)
MENU = (MenuEntry("", "Apps", "apps.index", "apps"),)
