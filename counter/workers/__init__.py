"""Several workers under one parent, which share the visitors' socket and answer the administrator as one."""
