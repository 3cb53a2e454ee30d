"""The Autobahn TestSuite judges the wire: its fuzzing server against `examples/echo.py`. `python -m tests.conformance`."""
