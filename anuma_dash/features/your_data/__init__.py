"""Your data: what is held, category by category, from the register that the code itself uses."""

from flask import Blueprint

from anuma_dash.web.menu import MenuEntry

blueprint = Blueprint("your_data", __name__)
MENU = (MenuEntry("Your data", "What is held", "your_data.index", "database"),)
