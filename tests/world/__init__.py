"""A deterministic world around the engine: virtual time, a venue that knows the truth, faults, and oracles after each step.

`python -m tests.world --seed N --steps M --worlds K` runs many; see `run.run_worlds`.

What is in it
    feeds       numbers per key, per channel, per connection (with the key's own to splice), growing, none; one number, ranges,
                overlapping ranges; snapshots by position, whole, none; in-band; reorder windows; one line or two; from seed
                `config.OTHER_KINDS` on chains, marks, resets, packed frames; from `config.NAMED` on ids of a connection for keys
    wire        any chunking, inside a frame too; fragments; skipped, repeated, swapped and late messages; lag; mute; half-open;
                cut, also inside a frame; close codes; pings; heartbeats; garbage and broken frames; bytes of a dead connection
    venue       numbers that start anew, per key and per counter; dials open, refused by each class, hanging, late
    opening     none, or a welcome and a login: let in, refused for now or for good, never answered, also from the first dial on
    topics      acknowledged by id, key, count, by a list of all, or not at all; refused, not heard, the acknowledgement lost;
                changed at any moment; callables that raise; a send budget
    line        keepalives with answers of their own, challenges; the venue pauses, goes on, wants the topics again or the line
                dialled again; a lifetime
    snapshots   in time, late, stale, cached, failed by each class, lost, of no position, answered twice, of an older era; from
                seed `run.LINE_SEEDS` on over the line, with each subscription or for a request, and checksums that are wrong
    consumer    slow, with each overflow policy; subscribing and unsubscribing at any moment
    time        waits, jumps; close at any moment; keys whose silence is watched; at the end a calm in which all must heal, though
                one key may stay silent
What must be so: each module names its checks. `checks` has those of the whole, `fold` of what is delivered, `lines` of what is
dialled and sent, `requests` of what is asked for, `silences` of quiet keys, `outlet` of the queue, `calm` that all heals.
Not here: sockets and threads, `max_keys`, numbers that are no numbers beyond one message of garbage, views but the first two; the
venue forgets no topic when it says "resubscribe"; callables return at once, or raise; acknowledgements counted by topic, a limit
for the first data but with those by count; the feed's own table of failures; keepalives that are pings, or only for idle lines.
"""
