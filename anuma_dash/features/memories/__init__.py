"""Memories: what a person wants models to be told. Each member's own, read by nobody else."""

from flask import Blueprint

from anuma_dash.web.menu import MenuEntry

blueprint = Blueprint("memories", __name__)
MENU = (MenuEntry("Your data", "Memories", "memories.index", "bulb"),)
