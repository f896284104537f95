"""Claims: messages that point at a series in a store and ask for its forecast.

    consuming     one thread owns the broker's consumer, and all that counts: who is in hand, begun, finished, committed
    desk          a task on the event loop for each claim: fetch, forecast, have it recorded
    recording     what became of claims, and of forecasts over HTTP: immutable parts of the log, and messages
    publishing    for people and commands: publish claims, look at topics, send dead letters back

They speak through `ports` alone. What a claim is, is said beside them, by rooms that decide and do nothing: `messages`
and `wire` read, `deadlines` and `retries` judge, `results`, `dead_letters` and `refusals` are what is written.

A claim on its way, with whoever works:

    taken                   deadline.expired(clock) -> row `expired`, finished. Withdrawn -> dropped, finished
    worked                  an error: RetryPolicy.judge -> Again, Dead, Expired; Hold pauses all and tries the same
                            again, told as Held, for it was not the claim's fault
    before publishing       deadline.expired(clock), and not withdrawn, again
    stored, then published  put parts(rows) under part_key(...), then publication(...); finished when both are taken

What is withdrawn, dropped or late is told as `Ended` all the same: only then its place is free.
"""
