"""Small changes to `core`, one at a time: does a test of the changed module notice? `python -m tests.mutation [MODULE ...]`.

    mutants     what is changed, and how; a name for each mutant that outlives edits elsewhere
    trial       one mutant in a process of its own: the module's own test files, until the first one fails
    equivalent  those that cannot be noticed, each with the reason (equivalent.txt)

Own code, because mutmut changes the bodies of functions only, no property, no table, no default of a struct, and picks the tests
by what they reach, not by whose they are; and cosmic-ray starts a Python a mutant and writes into the tree. A fork needs neither.
"""
