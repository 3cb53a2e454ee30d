"""A coverage-guided search for bytes that the decoder of frames and its reference read differently: `python -m tests.fuzz`."""
