"""Sessions: where a person is signed in."""

from flask import Blueprint

blueprint = Blueprint("sessions", __name__)
