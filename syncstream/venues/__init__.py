"""Real venues: functions that return a `Feed` with typed messages. One module each; a docstring says where each rule comes from.

`README.md` beside this file says what of it was run against recorded sessions, and what was not.
"""
