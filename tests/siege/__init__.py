"""An attack simulation: a real service, honest people and those who inflate, and what became of whom."""
