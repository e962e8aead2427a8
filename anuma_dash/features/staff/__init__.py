"""The staff section: accounts, support sessions, approvals, people of the service. To customers it does not exist."""

from flask import Blueprint

blueprint = Blueprint("staff", __name__)
