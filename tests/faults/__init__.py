"""The faults of real life, each through the public API against a server that misbehaves.

* `scenario.py` says what a scenario is: a function, what the user sees, and its pass mark in seconds. The catalogue of them is
  in `catalogue.py`; the functions in `connection.py` (what the network and the venue do) and `consumer.py` (what the user does).
* `run.py` plays any of them side by side and judges them; pytest and `python -m tests.faults` both use it, and the latter writes
  the table of the README.
* `matrix.py` is the fault matrix: each fault in each phase of a line's life, over plain TCP, TLS and a proxy.
* `promises.py` names the tests that keep each promise P1 to P16.

The rest are tests of what needs no clock: refusals, certificates, proxies, a network that loses packets, secrets.
"""
