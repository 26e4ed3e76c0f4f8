"""Poses over HTTP: an API for programs and a page for people; needs the extra [serve]. `app.create_app` builds it."""
