"""Poses over HTTP: an API and a web page, built by `app.create_app`. Needs the extra [serve]."""
