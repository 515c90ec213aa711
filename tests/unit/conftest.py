"""How long a property may be tried: as long as a busy machine needs."""

from hypothesis import settings

settings.register_profile("unit", deadline=None)
settings.load_profile("unit")
