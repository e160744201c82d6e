// One source of pictures, the camera or the screen share: owns its stream, and hands on its newest frame as a JPEG.

import { deviceError, stopTracks } from "./microphone.js";

const LONGEST_SIDE_PIXELS = 1280;
// The second is for a picture that came out larger than the server takes.
const JPEG_QUALITIES = [0.8, 0.4];
const LARGEST_JPEG_BYTES = 900 * 1024;
const INTERVAL_MS = 500;
const SHORTEST_INTERVAL_MS = 100;
const LONGEST_INTERVAL_MS = 60_000;

const WISHES = {
  camera: { video: { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: { ideal: "user" } } },
  screen: { video: { width: { ideal: 1920 }, frameRate: { ideal: 5 } }, audio: false },
};

// handlers: frame(source, capturedAtMs, jpeg, canvas), stopped(source), maysend() -> whether the way is free
export class Camera {
  #source;
  #handlers;
  #video;
  #canvas = document.createElement("canvas");
  #stream = null;
  #intervalMs = INTERVAL_MS;
  #longestSidePixels = LONGEST_SIDE_PIXELS;
  #timer = 0;
  #tickedAtMs = 0;
  #isTicking = false;
  #opening = 0;

  // source: "camera" or "screen". `video` is the element that shows the person what is being sent.
  constructor(source, video, handlers) {
    this.#source = source;
    this.#video = video;
    this.#handlers = handlers;
  }

  get isOn() {
    return this.#stream !== null;
  }

  async open() {
    this.close();
    const opening = (this.#opening += 1);
    const { mediaDevices } = navigator;
    let stream;
    try {
      stream = await (this.#source === "screen"
        ? mediaDevices.getDisplayMedia(WISHES.screen)
        : mediaDevices.getUserMedia(WISHES.camera));
    } catch (error) {
      throw deviceError(this.#source, error);
    }
    if (opening !== this.#opening) {
      stopTracks(stream);
      return;
    }
    this.#show(stream);
  }

  // 0: the server wants no frames for now. A shorter interval counts from the last frame, not from the next.
  setInterval(intervalMs) {
    if (Number.isFinite(intervalMs)) {
      const isPause = intervalMs <= 0;
      this.#intervalMs = isPause ? 0 : Math.min(LONGEST_INTERVAL_MS, Math.max(SHORTEST_INTERVAL_MS, intervalMs));
      this.#planTick();
    }
  }

  // What is larger is shrunk by the server anyway.
  setLongestSide(pixels) {
    if (Number.isFinite(pixels) && pixels > 0) {
      this.#longestSidePixels = Math.min(LONGEST_SIDE_PIXELS, pixels);
    }
  }

  close() {
    this.#opening += 1;
    clearTimeout(this.#timer);
    if (this.#stream) {
      stopTracks(this.#stream);
    }
    this.#stream = null;
    this.#video.srcObject = null;
  }

  #show(stream) {
    this.#stream = stream;
    stream.getVideoTracks()[0].onended = () => {
      this.close();
      this.#handlers.stopped(this.#source);
    };
    this.#video.srcObject = stream;
    this.#video.play().catch(() => {});
    this.#tickedAtMs = -Infinity;
    this.#planTick();
  }

  // There is never more than one frame in work: the next tick is set when this one is through.
  #planTick() {
    clearTimeout(this.#timer);
    if (this.#stream && this.#intervalMs && !this.#isTicking) {
      const restMs = Math.max(0, this.#intervalMs - (performance.now() - this.#tickedAtMs));
      this.#timer = setTimeout(() => this.#tick(), restMs);
    }
  }

  async #tick() {
    const stream = this.#stream;
    this.#tickedAtMs = performance.now();
    this.#isTicking = true;
    try {
      if (this.#isShown() && this.#handlers.maySend()) {
        await this.#capture(stream);
      }
    } finally {
      this.#isTicking = false;
      this.#planTick();
    }
  }

  // A shared screen is looked at elsewhere; a camera behind a hidden page is not meant to be seen.
  #isShown() {
    const isVisible = this.#source === "screen" || document.visibilityState === "visible";
    return isVisible && this.#video.videoWidth > 0;
  }

  async #capture(stream) {
    const { videoWidth, videoHeight } = this.#video;
    const scale = Math.min(1, this.#longestSidePixels / Math.max(videoWidth, videoHeight));
    const capturedAtMs = Date.now();
    this.#canvas.width = Math.round(videoWidth * scale);
    this.#canvas.height = Math.round(videoHeight * scale);
    this.#canvas.getContext("2d").drawImage(this.#video, 0, 0, this.#canvas.width, this.#canvas.height);
    const jpeg = await encode(this.#canvas);
    if (jpeg && stream === this.#stream) {
      this.#handlers.frame(this.#source, capturedAtMs, jpeg, this.#canvas);
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
