"""Claims: messages that point at a series in a store and ask for its forecast.

The rooms here decide and do nothing: `messages` and `deadlines` read, `gate` and `ledger` keep count, `attempts` and
`retries` judge what failed, `results` and `dead_letters` write what is sent. None of them waits, opens or sends. Who
calls them is one thread, which owns the broker's consumer; whoever works tells that thread what has become of it.

One turn of that thread:

    enter completions       ledger.finish(delivery), attempts.finished(delivery)
    gate                    gate.judge(depth) -> pause all, or resume all; depth is the lane's with all that is in work
    pause what is new       shut, every turn: consumer.pause(consumer.assigned - consumer.paused)
    poll                    consumer.poll(gate.room(depth), wait); a few milliseconds while shut, but always
    deliver                 ledger.deliver(record); None is not worked on
    read                    TtlPolicy.read(headers), read_claim(value); a Refusal becomes a dead letter
    dead on arrival         attempts.exhausted(...) becomes a dead letter too; attempts.suspect(...) is worked alone
    begin                   attempts.begin(batch); true: commit ledger.positions() with attempts.notes(...) first
    every 200 ms            consumer.commit(ledger.committable()), then ledger.committed(...) and attempts.noted(...)

A claim on its way, with whoever works:

    taken                   deadline.expired(clock) -> row `expired`, finished. Not ledger.current -> finished, dropped
    worked                  an error: RetryPolicy.judge -> Again, Dead, Expired; Hold pauses all and tries the same
                            again, with attempts.not_begun, for it was not the claim's fault
    before publishing       deadline.expired(clock) and ledger.current(delivery) again
    stored, then published  put parts(rows) under part_key(...), then publication(...); finished when both are taken

When partitions move, all on the thread that polls:

    revoked                 ledger.revoked(...): commit what it says, withdraw what is in flight; attempts.left(...)
    assigned                ledger.assigned(partitions, consumer.committed(partitions)): begin where it says; pause if
                            shut; attempts.assigned(partition, position, note)
    lost                    ledger.lost(...), attempts.left(...): nothing is committed

What is withdrawn, dropped or late is told to `ledger.finish` all the same: only then its place is free.
"""
