"""Production entry: `gunicorn --config deploy/gunicorn.conf.py wsgi:app`."""

from anuma_dash import create_app
from anuma_dash.web.observe import check_versions

# With connections of its own, closed again: processes forked from this one must not share any.
_first = create_app()
check_versions(_first)
_first.extensions["anuma"].close()
app = create_app()
