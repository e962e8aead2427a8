"""The embedded gateway: authenticates keys, routes, streams, meters and obeys the controls.

It is a process of its own with databases of its own; the dashboard reaches it over HTTP only. `create_app` in
`app.py` makes the ASGI application, `python -m anuma_dash.embedded.gateway` serves it.
"""
