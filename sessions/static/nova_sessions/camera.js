// The person's picture: owns the camera or the screen share, and hands on its newest frame as a JPEG.

import { deviceError, stopTracks } from "./microphone.js";

const LONGEST_SIDE_PIXELS = 1280;
// The second is for a picture that came out larger than the server takes.
const JPEG_QUALITIES = [0.8, 0.4];
const LARGEST_JPEG_BYTES = 900 * 1024;
const INTERVAL_MS = 500;
const SHORTEST_INTERVAL_MS = 100;
const LONGEST_INTERVAL_MS = 60_000;

const CAMERA = { video: { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: { ideal: "user" } } };
const SCREEN = { video: { width: { ideal: 1920 }, frameRate: { ideal: 5 } }, audio: false };

// handlers: frame(source, capturedAtMs, jpeg), stopped(source), maysend() -> whether the way is free
export class Camera {
  #handlers;
  #video;
  #canvas = document.createElement("canvas");
  #stream = null;
  #source = null;
  #intervalMs = INTERVAL_MS;
  #timer = 0;
  #opening = 0;

  // `video` is the element that shows the person what is being sent.
  constructor(video, handlers) {
    this.#video = video;
    this.#handlers = handlers;
  }

  get source() {
    return this.#source;
  }

  // source: "camera" or "screen"; what was shown before is taken down first.
  async open(source) {
    this.close();
    const opening = (this.#opening += 1);
    let stream;
    try {
      stream = await (source === "screen"
        ? navigator.mediaDevices.getDisplayMedia(SCREEN)
        : navigator.mediaDevices.getUserMedia(CAMERA));
    } catch (error) {
      throw deviceError(source, error);
    }
    if (opening !== this.#opening) {
      stopTracks(stream);
      return;
    }
    this.#show(source, stream);
  }

  setInterval(intervalMs) {
    if (Number.isFinite(intervalMs)) {
      this.#intervalMs = Math.min(LONGEST_INTERVAL_MS, Math.max(SHORTEST_INTERVAL_MS, intervalMs));
    }
  }

  close() {
    this.#opening += 1;
    clearTimeout(this.#timer);
    if (this.#stream) {
      stopTracks(this.#stream);
    }
    this.#stream = null;
    this.#source = null;
    this.#video.srcObject = null;
  }

  #show(source, stream) {
    this.#stream = stream;
    this.#source = source;
    stream.getVideoTracks()[0].onended = () => {
      this.close();
      this.#handlers.stopped(source);
    };
    this.#video.srcObject = stream;
    this.#video.play().catch(() => {});
    this.#timer = setTimeout(() => this.#tick(), 0);
  }

  // The next tick is set only when this one is through, so that there is never more than one frame in work.
  async #tick() {
    const stream = this.#stream;
    const startedAtMs = performance.now();
    if (this.#isShown() && this.#handlers.maySend()) {
      await this.#capture(stream);
    }
    if (stream === this.#stream) {
      const restMs = Math.max(0, this.#intervalMs - (performance.now() - startedAtMs));
      this.#timer = setTimeout(() => this.#tick(), restMs);
    }
  }

  // A shared screen is looked at elsewhere; a camera behind a hidden page is not meant to be seen.
  #isShown() {
    const isVisible = this.#source === "screen" || document.visibilityState === "visible";
    return isVisible && this.#video.videoWidth > 0;
  }

  async #capture(stream) {
    const { videoWidth, videoHeight } = this.#video;
    const scale = Math.min(1, LONGEST_SIDE_PIXELS / Math.max(videoWidth, videoHeight));
    const capturedAtMs = Date.now();
    this.#canvas.width = Math.round(videoWidth * scale);
    this.#canvas.height = Math.round(videoHeight * scale);
    this.#canvas.getContext("2d").drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    const jpeg = await encode(this.#canvas);
    if (jpeg && stream === this.#stream) {
      this.#handlers.frame(this.#source, capturedAtMs, jpeg);
    }
  }
}

// Null when the picture stays too large.
async function encode(canvas) {
  for (const quality of JPEG_QUALITIES) {
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", quality));
    if (blob && blob.size <= LARGEST_JPEG_BYTES) {
      return blob.arrayBuffer();
    }
  }
  return null;
}
