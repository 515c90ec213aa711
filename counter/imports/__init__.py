"""OLD NUMBERS IN: history from before the counter, through the same rules and at its own times."""
