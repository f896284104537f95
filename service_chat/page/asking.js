// One question on its way: sent, followed event by event, found again when the connection breaks, taken back.

import { EventParser, eventsOf } from "./sse.js";
import { ask, follow, problemOf, Refusal, takeBack } from "./service.js";
import { after, answered, cancelled, cancelling, failed, found, isOver, lost, newTurn } from "./turn.js";

/** The first try is at once; later ones wait as long as the service asks, then longer, in milliseconds. */
const FIRST_MS = 250, USUAL_MS = 2000, LONGEST_MS = 10_000;
/** Beyond this nobody answers any more; the service keeps a lost question for a shorter time than that. */
const GIVE_UP_MS = 120_000;
/** A question that is taken back before it has a number: the number comes within a second, or the service is away. */
const NUMBER_MS = 3000;

export class Asking {
  #changed;
  #once = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  #parser = new EventParser();
  #connection = new AbortController();
  #wake = () => {};
  #numbered = () => {};

  /** `changed` is called with each new value of the turn. */
  constructor(question, changed) {
    this.#changed = changed;
    this.turn = newTurn(question, performance.now());
  }

  /** Until there is an answer, or none will come. Never throws. */
  async run() {
    let tries = 0, since = 0;
    while (!isOver(this.turn)) {
      try {
        const response = await this.#connect();
        if (response.status === 204) throw new Refusal("The service has nothing more to tell of this question.", { status: 204 });
        if (this.turn.state === "lost") this.#become(found(this.turn));
        if (await this.#read(response)) tries = 0; // it was not only accepted: something came
      } catch (error) {
        if (error.name === "AbortError") break;
        if (error instanceof Refusal && !error.unreachable) this.#become(failed(this.turn, inWords(error, this.turn), performance.now()));
      }
      if (isOver(this.turn) || this.turn.state === "cancelling") break;
      if (tries === 0) since = performance.now();
      await this.#pause(tries, since);
      tries += 1;
    }
  }

  /** Tells the service to stop. It may have been quicker; then its answer stands. */
  async cancel() {
    if (isOver(this.turn) || this.turn.state === "cancelling") return;
    const away = this.turn.state === "lost";
    this.#become(cancelling(this.turn));
    this.#wake();
    if (this.turn.jobId === null && !away) await this.#number();
    this.#connection.abort();
    let result = null, heard = false;
    try {
      if (this.turn.jobId !== null) {
        ({ result } = await takeBack(this.turn.jobId));
        heard = true;
      }
    } catch (error) {
      if (!(error instanceof Refusal)) throw error; // it can not be told: without a listener it ends by itself
      heard = error.status === 404; // it is gone already
    }
    if (isOver(this.turn)) return;
    this.#become(result ? answered(this.turn, result, performance.now()) : cancelled(this.turn, performance.now(), heard));
  }

  /** Does not wait for the next try. */
  retry() {
    this.#wake();
  }

  #connect() {
    const { jobId, question } = this.turn;
    const { signal } = this.#connection;
    // Without a number it may have arrived or not: the key makes sure that it is asked once.
    return jobId === null ? ask(question, this.#once, signal) : follow(jobId, this.#parser.lastId, signal);
  }

  /** Whether any event came. What is left of a line when the connection breaks is forgotten with it. */
  async #read(response) {
    const parser = new EventParser();
    parser.lastId = this.#parser.lastId;
    parser.retry = this.#parser.retry;
    this.#parser = parser;
    let came = false;
    try {
      for await (const { name, data } of eventsOf(response, parser)) {
        came = true;
        const told = { name, data: JSON.parse(data) };
        if (name === "error") this.#become(failed(this.turn, inWords(problemOf(told.data), this.turn), performance.now()));
        else this.#become(after(this.turn, told, performance.now()));
        if (name === "accepted") this.#numbered();
        if (isOver(this.turn)) break;
      }
    } catch (error) {
      if (error.name === "AbortError") throw error;
      // A stream that breaks off in the middle; the caller comes back for the rest.
    }
    return came;
  }

  async #pause(tries, since) {
    const now = performance.now();
    if (now - since > GIVE_UP_MS) {
      const sentence = "The connection was lost, and the service did not come back within two minutes.";
      this.#become(failed(this.turn, new Refusal(sentence, { code: "lost", trace: this.turn.trace }), now));
      return;
    }
    const usual = this.#parser.retry ?? USUAL_MS;
    const wait = tries === 0 ? FIRST_MS : Math.min(LONGEST_MS, usual * 1.5 ** (tries - 1));
    this.#become(lost(this.turn, now + wait));
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      const network = () => this.#wake();
      this.#wake = () => {
        clearTimeout(timer);
        removeEventListener("online", network);
        resolve();
      };
      addEventListener("online", network, { once: true });
    });
    this.#wake = () => {};
  }

  #number() {
    return Promise.race([
      new Promise((resolve) => { this.#numbered = resolve; }),
      new Promise((resolve) => { setTimeout(resolve, NUMBER_MS); }),
    ]);
  }

  #become(turn) {
    this.turn = turn;
    this.#changed(turn);
  }
}

/** What happened to a question whose number the service does not know any more: it tells only that it has none. */
function inWords(refusal, turn) {
  // By its status: the older shape of an error has no code.
  if (refusal.status !== 404 || turn.jobId === null) return refusal;
  const sentence = "The service does not know this question any more: it has been started again in between, or too much " +
    "time has passed. Your words are still here, so that you can ask again.";
  return new Refusal(sentence, { ...refusal, code: "job_not_found", floor: refusal.floor ?? turn.floor, trace: turn.trace ?? refusal.trace });
}
