"""WHETHER IT ADDS UP: the audit of a running system, which reads everything and changes nothing."""
