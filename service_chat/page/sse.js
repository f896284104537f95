// Server-sent events from a `fetch`: `EventSource` can neither POST nor send a key. The format is the HTML standard's.

/** Text in, in pieces cut anywhere; whole events out. */
export class EventParser {
  #line = "";
  #first = true;
  #afterReturn = false;
  #name = "";
  #data = [];
  /** The id that stands for all events so far. */
  lastId = "";
  /** What the service asks a reader to wait before it comes back, in milliseconds; null: it said nothing. */
  retry = null;

  /** The events that `text` completes, each as {id, name, data}. */
  push(text) {
    const events = [];
    if (this.#first && text !== "") {
      this.#first = false;
      if (text.startsWith("\ufeff")) text = text.slice(1);
    }
    let from = 0;
    if (this.#afterReturn && text !== "") {
      this.#afterReturn = false;
      if (text[0] === "\n") from = 1; // the other half of a line end that was cut in two
    }
    const ends = /\r\n|\r|\n/g;
    ends.lastIndex = from;
    for (let end = ends.exec(text); end !== null; end = ends.exec(text)) {
      this.#take(this.#line + text.slice(from, end.index), events);
      this.#line = "";
      from = ends.lastIndex;
      this.#afterReturn = end[0] === "\r" && from === text.length;
    }
    this.#line += text.slice(from);
    return events;
  }

  #take(line, events) {
    if (line === "") {
      if (this.#data.length > 0) events.push({ id: this.lastId, name: this.#name || "message", data: this.#data.join("\n") });
      this.#name = "";
      this.#data = [];
      return;
    }
    const colon = line.indexOf(":");
    if (colon === 0) return; // a comment: a sign of life
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") this.#data.push(value);
    else if (field === "event") this.#name = value;
    else if (field === "id" && !value.includes("\0")) this.lastId = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
  }
}

/** The events of a response, as they come. `parser` keeps what a reader needs who comes back. */
export async function* eventsOf(response, parser = new EventParser()) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  try {
    for (;;) {
      const { done, value } = await reader.read();
      // What stands unfinished at the end is no event: half of one would be read as another.
      if (done) return;
      yield* parser.push(decoder.decode(value, { stream: true }));
    }
  } finally {
    reader.cancel().catch(() => {}); // it may have broken off by itself
  }
}
