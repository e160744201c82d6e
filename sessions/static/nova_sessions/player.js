// The agent's voice: owns the playback context and its worklet, and tells what of each item was played.
// It never decides to stop by itself; flush() is how others take the word from it.

import { SPEECH_RATE_HZ, samplesOf } from "./protocol.js";

const PROGRESS_MS = 200;
const SILENCED_KEPT = 64;
// A context the browser holds back tells nobody; one that may run does so within this time.
const START_LIMIT_MS = 1500;

// handlers: progress(itemId, contentIndex, audioEndMs), playing(isPlaying), voice(rms), blocked(isBlocked), overflow()
export class Player {
  #handlers;
  #context = null;
  #node = null;
  #contentIndexes = new Map();
  #silenced = new Set();
  #isPlaying = false;
  #progressAtMs = 0;
  #rms = 0;

  constructor(handlers) {
    this.#handlers = handlers;
  }

  get rms() {
    return this.#rms;
  }

  get isPlaying() {
    return this.#isPlaying;
  }

  // Must first be called from a click or a key press, or the browser keeps the sound back.
  async open() {
    if (this.#context) {
      this.resume();
      return;
    }
    const context = new AudioContext({ sampleRate: SPEECH_RATE_HZ, latencyHint: "interactive" });
    this.#context = context;
    context.onstatechange = () => this.#handlers.blocked(context.state !== "running");
    await context.audioWorklet.addModule(new URL("./worklets/playback.js", import.meta.url));
    if (context !== this.#context) {
      return;
    }
    this.#node = new AudioWorkletNode(context, "nova-playback", {
      numberOfInputs: 0, numberOfOutputs: 1, outputChannelCount: [1],
    });
    this.#node.port.onmessage = ({ data }) => this.#heard(data);
    this.#node.connect(context.destination);
    this.resume();
    setTimeout(() => context === this.#context && context.onstatechange(), START_LIMIT_MS);
  }

  // Waits for nothing: a context that the browser holds back resumes at the next touch.
  resume() {
    if (this.#context && this.#context.state !== "running") {
      this.#context.resume().catch(() => {});
    }
  }

  play(event, payload) {
    const itemId = event.item_id;
    if (!this.#node || this.#silenced.has(itemId) || this.#silenced.has(event.response_id)) {
      return;
    }
    this.#contentIndexes.set(itemId, event.content_index ?? 0);
    this.#node.port.postMessage({ type: "push", item: itemId, samples: samplesOf(payload) }, [payload]);
  }

  finish(itemId) {
    this.#node?.port.postMessage({ type: "done", item: itemId });
  }

  // Drops everything queued and plays nothing more of these ids (items or responses).
  flush(...ids) {
    for (const id of ids.filter(Boolean)) {
      this.#silenced.add(id);
    }
    for (const oldest of [...this.#silenced].slice(0, -SILENCED_KEPT)) {
      this.#silenced.delete(oldest);
    }
    this.#node?.port.postMessage({ type: "flush" });
  }

  // Stops the sound where it is, or lets it go on from there.
  hold(isHeld) {
    this.#node?.port.postMessage({ type: "hold", isHeld });
  }

  async close() {
    const context = this.#context;
    if (this.#node) {
      this.#node.port.onmessage = null;
      this.#node.port.postMessage({ type: "close" });
      this.#node.disconnect();
    }
    this.#context = null;
    this.#node = null;
    this.#contentIndexes.clear();
    this.#silenced.clear();
    this.#rms = 0;
    this.#setPlaying(false);
    if (context) {
      context.onstatechange = null;
      await context.close();
    }
  }

  #heard(message) {
    if (message.type === "report") {
      this.#rms = message.rms;
      this.#handlers.voice(message.rms);
      this.#setPlaying(message.isPlaying);
      this.#reportProgress(message);
    } else if (message.type === "overflow") {
      this.#handlers.overflow();
    } else {
      this.#send(message.item, message.playedMs);
      this.#forget(message);
    }
  }

  // What was rendered is heard only after the device's own delay.
  #reportProgress({ item, playedMs, isPlaying }) {
    const now = performance.now();
    if (isPlaying && now - this.#progressAtMs >= PROGRESS_MS) {
      const delayMs = Math.round((this.#context?.outputLatency ?? 0) * 1000);
      this.#send(item, Math.max(0, playedMs - delayMs));
      this.#progressAtMs = now;
    }
  }

  #forget({ type, item }) {
    if (type === "flushed") {
      this.#contentIndexes.clear();
    } else {
      this.#contentIndexes.delete(item);
    }
  }

  #send(itemId, audioEndMs) {
    this.#handlers.progress(itemId, this.#contentIndexes.get(itemId) ?? 0, audioEndMs);
  }

  #setPlaying(isPlaying) {
    if (isPlaying !== this.#isPlaying) {
      this.#isPlaying = isPlaying;
      this.#handlers.playing(isPlaying);
    }
  }
}
