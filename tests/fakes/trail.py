"""An audit trail that keeps its entries in a list."""

from typing_extensions import override

from service_chat.audit.ports import Entry, Trail


class FakeTrail(Trail):
    def __init__(self) -> None:
        self.entries: list[Entry] = []

    @override
    def note(self, entry: Entry) -> None:
        self.entries.append(entry)
