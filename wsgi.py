"""Production entry: `gunicorn wsgi:app`."""

from anuma_dash import create_app
from anuma_dash.web.observe import check_contract

app = create_app()
check_contract(app)
