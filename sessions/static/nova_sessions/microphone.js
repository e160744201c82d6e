// The person's voice: owns the microphone and its worklet, and hands on PCM16 chunks of 100 ms.

const PREFERRED_RATE_HZ = 24000;
const HIGHEST_RATE_HZ = 48000;

const SOUND = {
  channelCount: { ideal: 1 },
  echoCancellation: { ideal: true },
  noiseSuppression: { ideal: true },
  autoGainControl: { ideal: true },
};

// `code` names one of the page's own error texts.
export class DeviceError extends Error {
  constructor(code, cause) {
    super(cause?.message ?? code);
    this.code = code;
  }
}

// `kind` is "microphone", "camera" or "screen".
export function deviceError(kind, error) {
  switch (error.name) {
    case "NotAllowedError":
    case "SecurityError":
      return new DeviceError(`${kind}_denied`, error);
    case "NotFoundError":
    case "OverconstrainedError":
      return new DeviceError(`${kind}_missing`, error);
    default:
      return new DeviceError(`${kind}_busy`, error);
  }
}

export function stopTracks(stream) {
  for (const track of stream.getTracks()) {
    track.onended = null;
    track.stop();
  }
}

// handlers: chunk(pcm), level(rms), lost()
export class Microphone {
  #handlers;
  #stream = null;
  #context = null;
  #node = null;
  #isMuted = false;
  #opening = 0;

  constructor(handlers) {
    this.#handlers = handlers;
  }

  get isOpen() {
    return this.#node !== null;
  }

  get rateHz() {
    return this.#context?.sampleRate ?? 0;
  }

  async open() {
    if (this.#stream) {
      return;
    }
    const opening = (this.#opening += 1);
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: SOUND });
      if (opening !== this.#opening) {
        stopTracks(stream);
        return;
      }
      this.#stream = stream;
      await this.#listen(stream);
    } catch (error) {
      this.close();
      throw deviceError("microphone", error);
    }
  }

  // While muted the chunks go on as silence, so that the server hears the turn end.
  mute(isMuted) {
    this.#isMuted = isMuted;
    for (const track of this.#stream?.getTracks() ?? []) {
      track.enabled = !isMuted;
    }
  }

  close() {
    this.#opening += 1;
    this.#node?.port.postMessage("close");
    this.#node = null;
    if (this.#stream) {
      stopTracks(this.#stream);
    }
    this.#stream = null;
    this.#context?.close().catch(() => {});
    this.#context = null;
    this.#handlers.level(0);
  }

  async #listen(stream) {
    const [track] = stream.getAudioTracks();
    track.onended = () => {
      this.close();
      this.#handlers.lost();
    };
    const { context, source } = contextFor(stream);
    this.#context = context;
    await context.audioWorklet.addModule(new URL("./worklets/capture.js", import.meta.url));
    if (stream !== this.#stream) {
      return;
    }
    this.#node = new AudioWorkletNode(context, "nova-capture", {
      numberOfInputs: 1, numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit",
    });
    this.#node.port.onmessage = ({ data }) => this.#heard(data);
    source.connect(this.#node);
    this.mute(this.#isMuted);
    context.resume().catch(() => {});
  }

  #heard(message) {
    if (!this.#node) {
      return;
    }
    if (message.type === "chunk") {
      this.#handlers.chunk(message.pcm);
    } else {
      this.#handlers.level(message.rms);
    }
  }
}

// Some browsers join a stream only to a context of the device's own rate.
function contextFor(stream) {
  const attempts = [{ sampleRate: PREFERRED_RATE_HZ }, {}, { sampleRate: HIGHEST_RATE_HZ }];
  let refusal = null;
  for (const options of attempts) {
    const context = new AudioContext(options);
    try {
      if (context.sampleRate > HIGHEST_RATE_HZ) {
        throw new RangeError("the device's rate is higher than the server takes");
      }
      return { context, source: context.createMediaStreamSource(stream) };
    } catch (error) {
      refusal = error;
      context.close().catch(() => {});
    }
  }
  throw refusal;
}
