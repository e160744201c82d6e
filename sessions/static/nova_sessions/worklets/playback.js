// Runs on the audio thread: plays speech from a bounded ring and says how far each item has been played.
// In:  push {item, samples}, done {item}, hold {isHeld}, flush {}, close {}.
// Out: report {item, playedMs, rms, isPlaying}, ended {item, playedMs}, flushed {item, playedMs}, overflow {item}.

const RING_SECONDS = 30;
const REPORT_MS = 20;
const RMS_WINDOW_MS = 100;
// After running dry inside an item, this much is gathered before going on: one gap instead of many clicks.
const REFILL_MS = 80;
const FADE_SAMPLES = 96;
const SCALE = 1 / 32768;

class Ring {
  constructor(capacity) {
    this.samples = new Int16Array(capacity);
    this.clear();
  }

  clear() {
    this.start = 0;
    this.length = 0;
  }

  // Returns how many samples fitted; the newest are the ones left out.
  push(samples) {
    const fitting = Math.min(samples.length, this.samples.length - this.length);
    const at = (this.start + this.length) % this.samples.length;
    const beforeWrap = Math.min(fitting, this.samples.length - at);
    this.samples.set(samples.subarray(0, beforeWrap), at);
    this.samples.set(samples.subarray(beforeWrap, fitting), 0);
    this.length += fitting;
    return fitting;
  }

  shift() {
    const sample = this.samples[this.start];
    this.start = (this.start + 1) % this.samples.length;
    this.length -= 1;
    return sample;
  }
}

// The energy of the last 100 ms, render quantum by render quantum.
class Loudness {
  constructor(quantumSamples) {
    const quanta = Math.max(1, Math.round((sampleRate * RMS_WINDOW_MS) / 1000 / quantumSamples));
    this.energies = new Float64Array(quanta);
    this.next = 0;
    this.windowSamples = quanta * quantumSamples;
  }

  add(output) {
    let energy = 0;
    for (const sample of output) {
      energy += sample * sample;
    }
    this.energies[this.next] = energy;
    this.next = (this.next + 1) % this.energies.length;
  }

  get rms() {
    return Math.sqrt(this.energies.reduce((sum, energy) => sum + energy, 0) / this.windowSamples);
  }
}

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this.ring = new Ring(sampleRate * RING_SECONDS);
    // Runs of samples in the ring, oldest first: {item, left, played, isDone}.
    this.segments = [];
    this.loudness = null;
    this.sinceReport = 0;
    this.isRefilling = false;
    this.isHeld = false;
    this.lastSample = 0;
    this.isOpen = true;
    this.port.onmessage = ({ data }) => this.receive(data);
  }

  receive(message) {
    if (message.type === "push") {
      this.push(message.item, message.samples);
    } else if (message.type === "done") {
      this.finish(message.item);
    } else if (message.type === "hold") {
      this.isHeld = message.isHeld;
    } else if (message.type === "flush") {
      this.isHeld = false;
      this.flush();
    } else {
      this.isOpen = false;
    }
  }

  push(item, samples) {
    let segment = this.segments.at(-1);
    if (!segment || segment.item !== item) {
      segment = { item, left: 0, played: 0, isDone: false };
      this.segments.push(segment);
    }
    const fitted = this.ring.push(samples);
    segment.left += fitted;
    if (fitted < samples.length) {
      this.port.postMessage({ type: "overflow", item });
    }
  }

  finish(item) {
    for (const segment of this.segments) {
      if (segment.item === item) {
        segment.isDone = true;
      }
    }
    this.endFinished();
  }

  flush() {
    const current = this.segments[0];
    this.ring.clear();
    this.segments = [];
    this.isRefilling = false;
    if (current) {
      this.port.postMessage({ type: "flushed", item: current.item, playedMs: toMs(current.played) });
    }
  }

  process(_inputs, [[output]]) {
    const filled = this.fill(output);
    this.fadeFrom(output, filled);
    this.loudness ??= new Loudness(output.length);
    this.loudness.add(output);
    this.report(output.length);
    return this.isOpen;
  }

  // Returns the number of samples written; the rest of `output` is already silence.
  fill(output) {
    if (this.isHeld || !this.isReady()) {
      return 0;
    }
    let written = 0;
    while (written < output.length && this.segments.length > 0) {
      const segment = this.segments[0];
      const count = Math.min(output.length - written, segment.left);
      for (let taken = 0; taken < count; taken += 1) {
        output[written + taken] = this.ring.shift() * SCALE;
      }
      written += count;
      segment.left -= count;
      segment.played += count;
      if (segment.left > 0 || !this.endFinished()) {
        break;
      }
    }
    this.isRefilling = written < output.length && this.segments.length > 0;
    return written;
  }

  isReady() {
    const current = this.segments[0];
    if (!current) {
      return false;
    }
    const enough = (sampleRate * REFILL_MS) / 1000;
    return !this.isRefilling || current.isDone || this.segments.length > 1 || current.left >= enough;
  }

  // An item ends when it was declared done, or when a newer one waits behind it.
  endFinished() {
    const before = this.segments.length;
    while (this.segments.length > 0 && this.segments[0].left === 0) {
      const segment = this.segments[0];
      if (!segment.isDone && this.segments.length === 1) {
        break;
      }
      this.segments.shift();
      this.port.postMessage({ type: "ended", item: segment.item, playedMs: toMs(segment.played) });
    }
    return this.segments.length < before;
  }

  // Sound that stops in mid-wave is led to zero within the same quantum, so that it does not click.
  fadeFrom(output, filled) {
    if (filled < output.length) {
      const from = filled > 0 ? output[filled - 1] : this.lastSample;
      const fade = Math.min(FADE_SAMPLES, output.length - filled);
      for (let index = 0; index < fade; index += 1) {
        output[filled + index] = from * (1 - (index + 1) / fade);
      }
    }
    this.lastSample = output[output.length - 1];
  }

  report(sampleCount) {
    this.sinceReport += sampleCount;
    if (this.sinceReport < (sampleRate * REPORT_MS) / 1000) {
      return;
    }
    this.sinceReport = 0;
    const current = this.segments[0];
    this.port.postMessage({
      type: "report",
      item: current ? current.item : null,
      playedMs: current ? toMs(current.played) : 0,
      isPlaying: Boolean(current) && current.played > 0,
      rms: this.loudness.rms,
    });
  }
}

function toMs(samples) {
  return Math.round((samples * 1000) / sampleRate);
}

registerProcessor("nova-playback", Playback);
