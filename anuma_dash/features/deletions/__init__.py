"""Deletions: asking for one, watching it, and what it found where it looked."""

from flask import Blueprint

from anuma_dash.web.menu import MenuEntry

blueprint = Blueprint("deletions", __name__)
MENU = (MenuEntry("Your data", "Deletions", "deletions.index", "trash"),)
