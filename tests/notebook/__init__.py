"""Streams in a notebook: the card, tables, a kernel of its own."""
