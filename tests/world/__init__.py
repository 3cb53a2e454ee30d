"""A deterministic world around the engine: virtual time, a venue that knows the truth, faults, and oracles after each step.

`python -m tests.world --seed N --steps M --worlds K` runs many; see `run.run_worlds`.
"""
