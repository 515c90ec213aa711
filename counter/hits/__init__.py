"""WHAT HAPPENED: a beacon is parsed, judged and handed to the recorder."""
