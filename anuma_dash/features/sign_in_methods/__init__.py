"""The ways in which a person signs in and confirms who they are: linked providers and passkeys."""

from flask import Blueprint

blueprint = Blueprint("sign_in_methods", __name__)
