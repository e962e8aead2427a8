"""The internal API, `/internal/v1`: FastAPI, called by the dashboard with signed tokens."""
