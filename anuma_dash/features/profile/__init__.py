"""The person: name, language, time zone, ways to sign in."""

from flask import Blueprint

blueprint = Blueprint("profile", __name__)
