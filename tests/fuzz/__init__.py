"""Parsers under arbitrary bytes: a little with every test run, for as long as one likes with `make fuzz`."""
