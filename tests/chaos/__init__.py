"""The real service under faults drawn by a seed: a plan (pure), the actors that carry it out, an oracle (pure)."""
