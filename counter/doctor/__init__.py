"""WHAT TO FIX: looks at a deployment from outside, and says in plain words what to do; it changes nothing."""
