"""Servers that mean harm, each against a stream in a process of its own: what it costs and what the user sees."""
