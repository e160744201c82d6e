// One conversation's way to the server: the three HTTP calls, the socket, and coming back after a loss.
// It knows nothing of sound, pictures or the page; it reports through the handlers it is given.

import { Position } from "./position.js";
import {
  ProtocolError, carriesBytes, closeMeaning, packMessage, randomId, randomUid, unpackMessage,
} from "./protocol.js";

const SUBPROTOCOL = "nova.binary";
const BOT_UID = 1234;
const REQUEST_LIMIT_MS = 15_000;
const OPEN_LIMIT_MS = 10_000;
const RETRY_FIRST_MS = 500;
const RETRY_LONGEST_MS = 15_000;
const RETRIES = 8;
// A socket that held this long starts the back-off anew.
const STEADY_MS = 10_000;
const SESSION_IDLE_SECONDS = 60;
// About ten seconds of 24 kHz speech that did not leave: the line is dead although nothing said so.
const STALLED_BYTES = 480 * 1024;
// The server waits for a client that did not close with 1000.
const CLOSED_BY_US = 1000;
const CLOSED_TO_RETURN = 4001;
const CLOSED_AS_STALLED = 4000;
const CHANNEL_EXISTED = "10003";

export class RefusedError extends Error {
  // `code` is the server's own, or "http_<status>".
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export class UnreachableError extends Error {}

// handlers: phase(name, detail), event(event, payload), failure(error, detail)
// phases: idle, connecting, open, waiting
export class Connection {
  #handlers;
  #csrfToken;
  #phase = "idle";
  #choice = null;
  #ticket = null;
  #started = false;
  #socket = null;
  #openedAtMs = 0;
  #openTimer = 0;
  #retryTimer = 0;
  #attempts = 0;
  #deafSockets = 0;
  #position = new Position();
  #run = 0;
  #abort = new AbortController();

  constructor(csrfToken, handlers) {
    this.#csrfToken = csrfToken;
    this.#handlers = handlers;
    addEventListener("online", () => this.retryNow());
  }

  // Only once the server has spoken: nothing may come before the format of the sound was declared.
  get isOpen() {
    return this.#phase === "open" && this.#socket.readyState === WebSocket.OPEN;
  }

  // The conversation is expected to go on: what was being said and played stays.
  get mayResume() {
    return this.#position.isKnown;
  }

  get bufferedBytes() {
    return this.#socket ? this.#socket.bufferedAmount : 0;
  }

  // choice: { graphName, properties }
  connect(choice) {
    this.#choice = choice;
    this.#forgetTicket();
    this.#attempts = 0;
    return this.#open(true);
  }

  // Takes the same conversation back, for instance from another tab.
  takeBack() {
    this.#attempts = 0;
    return this.#open(true);
  }

  // Ends the session for good; the server is told, but nobody waits for its answer.
  disconnect() {
    if (this.#phase === "idle") {
      return;
    }
    const ticket = this.#ticket;
    this.#leave(CLOSED_BY_US);
    this.#forgetTicket();
    this.#enter("idle");
    if (ticket) {
      this.#post("stop", { channel_name: ticket.channel_name }, true).catch(() => {});
    }
  }

  retryNow() {
    if (this.#phase === "waiting") {
      this.#open(false);
    }
  }

  send(event, payload = null) {
    if (!this.isOpen) {
      return false;
    }
    if (this.#socket.bufferedAmount > STALLED_BYTES) {
      this.#lost(this.#socket);
      return false;
    }
    this.#socket.send(carriesBytes(event.type) ? packMessage(event, payload) : JSON.stringify(event));
    return true;
  }

  #enter(phase, detail = {}) {
    this.#phase = phase;
    this.#handlers.phase(phase, detail);
  }

  #forgetTicket() {
    this.#ticket = null;
    this.#started = false;
    this.#deafSockets = 0;
    this.#position.forget();
  }

  // Another ticket for the same conversation; without one, for a new conversation.
  #renewTicket() {
    if (!this.#position.isKnown) {
      this.#forgetTicket();
      return;
    }
    this.#deafSockets = 0;
    this.#ticket = { ...this.#ticket, isUsedUp: true };
  }

  // A newer run makes every answer that is still under way void.
  #leave(code = CLOSED_TO_RETURN) {
    this.#run += 1;
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#openTimer);
    this.#abort.abort();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close(code);
  }

  async #open(isFirst) {
    this.#leave();
    const run = this.#run;
    this.#abort = new AbortController();
    this.#enter("connecting", { isFirst });
    try {
      await this.#obtainTicket(run);
      if (run === this.#run) {
        this.#openSocket();
      }
    } catch (error) {
      if (run === this.#run) {
        this.#requestFailed(error, isFirst);
      }
    }
  }

  async #obtainTicket(run) {
    if (!this.#ticket || this.#ticket.isUsedUp || isExpired(this.#ticket)) {
      const channel = this.#ticket ? { channel_name: this.#ticket.channel_name } : {};
      const ticket = await this.#post("generate", { ...channel, uid: this.#ticket?.uid ?? randomUid() });
      if (run !== this.#run) {
        return;
      }
      this.#ticket = ticket;
    }
    if (!this.#started) {
      await this.#start();
      this.#started = run === this.#run;
    }
  }

  async #start() {
    try {
      await this.#post("start", {
        channel_name: this.#ticket.channel_name,
        graph_name: this.#choice.graphName,
        user_uid: Number(this.#ticket.uid),
        bot_uid: BOT_UID,
        properties: this.#choice.properties,
        timeout: SESSION_IDLE_SECONDS,
      });
    } catch (error) {
      // Nobody else can know the channel, so one that exists already was started by an unanswered call.
      if (error.code !== CHANNEL_EXISTED) {
        throw error;
      }
    }
  }

  #requestFailed(error, isFirst) {
    const passes = error instanceof UnreachableError || error.code?.startsWith("http_5");
    if (passes && !isFirst) {
      this.#retry("connection_lost");
    } else if (error instanceof UnreachableError) {
      this.#end("unreachable", { text: error.message });
    } else if (error instanceof RefusedError) {
      this.#end("refused", { code: error.code, text: error.message });
    } else {
      this.#end("refused", { code: error.name, text: error.message });
    }
  }

  #openSocket() {
    const { url, client_secret: secret } = this.#ticket.realtime;
    const socket = new WebSocket(this.#position.addTo(url), ["realtime", `openai-insecure-api-key.${secret}`, SUBPROTOCOL]);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#openedAtMs = 0;
    this.#openTimer = setTimeout(() => this.#lost(socket), OPEN_LIMIT_MS);
    socket.onmessage = (message) => socket === this.#socket && this.#received(message.data);
    socket.onclose = (closing) => this.#closed(socket, closing.code, closing.reason);
  }

  #received(data) {
    let message;
    try {
      message = unpackMessage(data);
    } catch (error) {
      if (!(error instanceof ProtocolError)) {
        throw error;
      }
      this.#handlers.failure("bad_message", { text: error.message });
      return;
    }
    if (this.#position.note(message.event, message.payload) && this.#openedAtMs === 0) {
      clearTimeout(this.#openTimer);
      this.#openedAtMs = performance.now();
      this.#deafSockets = 0;
      this.#enter("open", { isNew: message.event.type === "session.created" });
    }
    this.#handlers.event(message.event, message.payload);
  }

  // Closing a dead line takes the browser up to a minute, so its close event is not waited for.
  #lost(socket) {
    this.#closed(socket, CLOSED_AS_STALLED, "");
  }

  #closed(socket, code, reason) {
    if (socket !== this.#socket) {
      return;
    }
    this.#leave();
    const meaning = closeMeaning(code);
    if (meaning.next === "stop") {
      this.#end(meaning.error, { code: String(code), text: reason });
      return;
    }
    this.#judgeLoss(meaning);
    this.#retry(meaning.error, code);
  }

  // A handshake the server refuses looks like any other loss, so the second socket that never spoke
  // costs the ticket as well.
  #judgeLoss(meaning) {
    const wasHeard = this.#openedAtMs > 0;
    this.#deafSockets += wasHeard ? 0 : 1;
    if (wasHeard && performance.now() - this.#openedAtMs > STEADY_MS) {
      this.#attempts = 0;
    }
    if (meaning.next === "renew" || this.#deafSockets >= 2) {
      this.#renewTicket();
    }
  }

  #retry(error, code = null) {
    if (this.#attempts >= RETRIES) {
      this.#end("gave_up", { code: code === null ? "" : String(code) });
      return;
    }
    const delayMs = backOffMs(this.#attempts);
    this.#attempts += 1;
    this.#retryTimer = setTimeout(() => this.#open(false), delayMs);
    this.#enter("waiting", { error, delayMs });
  }

  #end(error, detail) {
    this.#leave(CLOSED_BY_US);
    this.#enter("idle");
    this.#handlers.failure(error, detail);
  }

  async #post(action, fields, isLast = false) {
    const limit = AbortSignal.timeout(REQUEST_LIMIT_MS);
    const signal = isLast ? limit : AbortSignal.any([limit, this.#abort.signal]);
    let response;
    let answer;
    try {
      response = await fetch(`/v1/api/${action}`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": this.#csrfToken },
        body: JSON.stringify({ request_id: randomId(), ...fields }),
        credentials: "same-origin",
        keepalive: isLast,
        signal,
      });
      answer = await response.json();
    } catch (error) {
      if (response && !response.ok) {
        throw new RefusedError(`http_${response.status}`, response.statusText);
      }
      throw new UnreachableError(String(error.message ?? error));
    }
    if (answer?.code !== "0") {
      throw new RefusedError(String(answer?.code ?? `http_${response.status}`), String(answer?.msg ?? ""));
    }
    return answer.data;
  }
}

function isExpired(ticket) {
  const marginMs = 5000;
  const expiresAt = ticket.realtime.expires_at;
  const expiresAtMs = typeof expiresAt === "number" ? expiresAt * 1000 : Date.parse(expiresAt);
  return Number.isFinite(expiresAtMs) && Date.now() + marginMs > expiresAtMs;
}

function backOffMs(attempt) {
  const longest = Math.min(RETRY_LONGEST_MS, RETRY_FIRST_MS * 2 ** attempt);
  return Math.round(longest * (0.75 + Math.random() * 0.5));
}
