"""Tests of the public API, through real sockets and threads, against a venue in a box."""
