"""Activity: everything done in the account, by whom, from where; and whether its record is whole."""

from flask import Blueprint

from anuma_dash.web.menu import MenuEntry

blueprint = Blueprint("activity", __name__)
MENU = (MenuEntry("Account", "Activity", "activity.index", "history"),)
