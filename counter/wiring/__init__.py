"""Parts of the wiring that need more than a line; `counter/app.py` puts them together."""
