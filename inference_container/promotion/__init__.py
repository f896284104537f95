"""Which bundle is to be served: the pointer in the store says so, and every replica follows it.

    promote     the commands: files, then the pointer, then an event
    pointer     what a pointer says, `shelf` how it lies in the store: replaced by compare-and-set, never forgotten
    download    a bundle from the store, checked to the byte; `cache` keeps the last good ones on this machine's disk
    sources     what there is to serve: the pointer's, or what stands in for it
    fetching    the sources, asked from the event loop; what fails is told there
    watcher     looks at the pointer and has the bundle activated; `refusals` remembers what was not followed
    listener    hears the events and makes the watcher look at once; `topic_reader` is its thread

Nothing here knows how a bundle is loaded: an `Activate` of `ports` does that, and what it refuses is not served.
"""
