"""WHAT A PERSON TYPES: each command reads its arguments, calls one thing, and prints what came of it."""
