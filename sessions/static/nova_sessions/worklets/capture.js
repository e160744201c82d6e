// Runs on the audio thread: cuts the microphone's sound into PCM16 chunks of 100 ms and measures its level.

const CHUNK_MS = 100;
const LEVEL_MS = 40;
const FULL_SCALE = 32767;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.chunk = new Int16Array(Math.round((sampleRate * CHUNK_MS) / 1000));
    this.filled = 0;
    this.energy = 0;
    this.measured = 0;
    this.isOpen = true;
    this.port.onmessage = () => {
      this.isOpen = false;
    };
  }

  process([input]) {
    const samples = input[0];
    if (samples) {
      for (const sample of samples) {
        this.take(sample);
      }
      this.reportLevel(samples.length);
    }
    return this.isOpen;
  }

  take(sample) {
    const limited = sample > 1 ? 1 : sample < -1 ? -1 : sample;
    this.energy += limited * limited;
    this.chunk[this.filled] = Math.round(limited * FULL_SCALE);
    this.filled += 1;
    if (this.filled === this.chunk.length) {
      const full = this.chunk.buffer;
      this.chunk = new Int16Array(this.filled);
      this.filled = 0;
      this.port.postMessage({ type: "chunk", pcm: full }, [full]);
    }
  }

  reportLevel(sampleCount) {
    this.measured += sampleCount;
    if (this.measured >= (sampleRate * LEVEL_MS) / 1000) {
      this.port.postMessage({ type: "level", rms: Math.sqrt(this.energy / this.measured) });
      this.energy = 0;
      this.measured = 0;
    }
  }
}

registerProcessor("nova-capture", Capture);
