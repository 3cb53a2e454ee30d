"""A deterministic world around the engine: virtual time, a venue that knows the truth, faults, and oracles after each step.

`python -m tests.world --seed N --steps M --worlds K` runs many; see `run.run_worlds`.

What is in it
    feeds       numbers per key, per channel, per connection (with the key's own to splice), growing, none; one number, ranges,
                overlapping ranges; snapshots by position, whole, none; in-band; reorder windows; one line or two
    wire        any chunking, inside a frame too; fragments; skipped, repeated, swapped and late messages; lag; mute; half-open;
                cut, also inside a frame; close codes; pings; heartbeats; garbage and broken frames; bytes of a dead connection
    venue       numbers that start anew, per key and per counter; topics refused; dials open, refused by each class, hanging, late
    manners     a welcome and a login, granted, refused or never answered; acknowledgements of each kind, requests and answers
                that go astray; challenges; notices to pause, resume, subscribe again and reconnect; close codes of each class
    upkeep      keepalives of the venue's own kind, a send budget, planned ends, quiet keys, callables that raise
    snapshots   in time, late, stale, cached, failed by each class, lost, of no position, answered twice, of an older era
    consumer    slow, with each overflow policy; subscribing and unsubscribing at any moment
    time        waits, jumps; close at any moment; at the end a calm in which all must heal, though one key may stay silent
Not here: sockets and threads, `max_keys`, numbers that are no numbers beyond one message of garbage, views but the first two.
"""
