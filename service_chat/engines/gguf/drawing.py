"""After a step: the next tokens of an answer are drawn, guesses come true or are taken back, forced text is put down.

Called by the engine for each answer that has a row to draw from.
"""

from service_chat.engines.gguf.batch import Rows
from service_chat.engines.gguf.context import LlamaContext
from service_chat.engines.gguf.drafting import DraftGovernor
from service_chat.engines.gguf.model import LlamaModel
from service_chat.engines.gguf.slot import Slot


class Drawing:
    def __init__(self, model: LlamaModel, context: LlamaContext, governor: DraftGovernor | None) -> None:
        self._model, self._context, self._governor = model, context, governor

    def draw(self, rows: Rows) -> None:
        """Draws what comes after the last row, and after each guess for as long as that is what was drawn.

        Raises:
            SluiceError: The sampler failed; the request ends, the others do not notice.
        """
        slot, row = rows.slot, rows.draws_at
        if row is None:
            return
        accepted = 0
        for guess in (*rows.draft, None):
            token = slot.sampler.draw(row + accepted)
            if not slot.take(token, self._model) or token != guess:
                break
            slot.fed += 1  # the guess is in the cache already, where the token belongs
            accepted += 1
        if rows.draft:
            self._context.forget(slot.sequence, slot.fed)
            self._note_draft(slot, len(rows.draft), accepted)
        if slot.finish is None:
            self._jump_ahead(slot)

    def _note_draft(self, slot: Slot, drafted: int, accepted: int) -> None:
        slot.drafted += drafted
        slot.accepted += accepted
        if self._governor is not None:
            self._governor.note(drafted, accepted)

    def _jump_ahead(self, slot: Slot) -> None:
        """Text without a choice is not asked of the model: it is read with the next step, as a prompt is."""
        text = slot.sampler.forced_text()
        for token in self._model.tokenize(text) if text else ():
            if not slot.sampler.allows(token):
                return  # the vocabulary cuts it otherwise
            slot.sampler.accept(token)
            if not slot.take(token, self._model):
                return
