"""OLD NUMBERS IN: one module for each source, which knows its shape and nothing else."""
