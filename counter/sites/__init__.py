"""WHAT IS COUNTED: the sites, their settings and their calendar."""
