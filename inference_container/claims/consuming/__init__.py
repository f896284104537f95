"""From the topic to the desk and back to a commit: the thread that owns the broker's consumer, and what it counts.

`consumer` is the thread's life, `turns` one life of a broker's consumer; `reading` reads, `gate` counts, `books` keeps
the line, with `ledger` and `attempts` inside. Those wait for nothing, open nothing and send nothing.

One turn of that thread:

    enter            what the desk has told: books.enter(Ended | Held). Only what is out can end; only what ended in its
                     own epoch counts; what came back unrecorded stands in line again
    note innocents   suspects of which nobody died: the broker is told first, then the desk may tell the world
    settle           partitions whose committed offsets nobody could tell when they came: asked again, shut until then
    judge            gate.judge(depth); shut, held or stopping: pause(assigned - paused), every turn; else resume
    hand over        books.batch(): all up to the first suspect, or one suspect alone. books.begin; when the broker has
                     to know of it first, commit positions with notes, and hand over nothing if that fails
    commit           every so often, books.due() with its notes, paused or not
    poll             never for more than gate.room(depth); 20 ms of waiting while shut, but always
    take in          ledger.deliver, read, books' line; a suspect that has had its tries becomes a dead letter here.
                     Then once more: hand over

When partitions move, all in the middle of a poll (`rebalancing`):

    revoked                 what has ended is entered; the ledger's epoch ends; only then what is out is withdrawn. The
                            poll commits positions, with notes that count nothing begun here: we live
    assigned                begins at the committed offset or at what we had finished beyond it; paused if shut
    lost                    the epoch ends, what is out is withdrawn; nothing is committed

When a turn breaks, all partitions count as lost, the consumer is closed and another begins after a pause. When asked to
stop, turns go on, shut, until nothing is out; then the last commit, and the group is left.
"""
