"""The public API, in OpenAI's shape: plain Starlette routes, the hot path."""
