"""Data controls: what is stored, since when, on whose word; switching it; testing that it is true."""

from flask import Blueprint

from anuma_dash.web.menu import MenuEntry

blueprint = Blueprint("data_controls", __name__)
MENU = (MenuEntry("Your data", "Data controls", "data_controls.index", "shield"),)
