"""Poses over HTTP: an API for programs and a page for people. `app.create_app` puts it together; extra `[serve]`."""
