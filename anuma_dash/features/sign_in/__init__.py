"""Signing in through OpenID providers, first sign-in, re-authentication, signing out."""

from flask import Blueprint

blueprint = Blueprint("sign_in", __name__)
