"""Streams in a notebook: the health card, tables, and what a cell that is run again means. Nothing of it is imported elsewhere.

IPython and pandas are imported where they are needed and never required.
"""
