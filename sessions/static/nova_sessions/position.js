// What this page notes of the events it got, so that its next socket goes on after them.

import { SPEECH_RATE_HZ, carriesBytes } from "./protocol.js";

const BYTES_PER_SAMPLE = 2;
const NUMBER = /^evt_(.+)_(\d+)$/;
const REFUSED = "refused";

export class Position {
  #epoch = "";
  #seq = 0;
  #toldSeq = 0;
  #soundItem = "";
  #soundBytes = 0;

  get isKnown() {
    return this.#epoch !== "";
  }

  forget() {
    this.#epoch = "";
    this.#soundItem = "";
    this.#soundBytes = 0;
  }

  // Returns whether the event belongs to the session: a refusal has no number of it.
  note(event, payload) {
    const [, epoch, seq] = NUMBER.exec(event.event_id ?? "") ?? [];
    if (!epoch || epoch === REFUSED) {
      return false;
    }
    if (epoch !== this.#epoch) {
      this.forget();
    }
    this.#epoch = epoch;
    this.#seq = Number(seq);
    if (!carriesBytes(event.type)) {
      this.#toldSeq = this.#seq;
      return true;
    }
    if (event.item_id !== this.#soundItem) {
      this.#soundItem = event.item_id;
      this.#soundBytes = 0;
    }
    this.#soundBytes += payload?.byteLength ?? 0;
    return true;
  }

  // `url` with what the server must know in order to go on.
  addTo(url) {
    if (!this.isKnown) {
      return url;
    }
    const address = new URL(url, location.href);
    address.searchParams.set("epoch", this.#epoch);
    address.searchParams.set("seq", this.#seq);
    address.searchParams.set("told", this.#toldSeq);
    if (this.#soundItem) {
      const soundMs = Math.floor((this.#soundBytes * 1000) / (BYTES_PER_SAMPLE * SPEECH_RATE_HZ));
      address.searchParams.set("sound_item", this.#soundItem);
      address.searchParams.set("sound_ms", soundMs);
    }
    return address.href;
  }
}
