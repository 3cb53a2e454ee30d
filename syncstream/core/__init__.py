"""The protocol without the world: no I/O, no thread, no clock, no dice. `now` and `random` are arguments."""
