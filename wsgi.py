"""Production entry: `gunicorn wsgi:app`."""

from anuma_dash import create_app
from anuma_dash.web.observe import check_versions

app = create_app()
check_versions(app)
