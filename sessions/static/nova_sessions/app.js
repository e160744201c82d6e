// Joins the parts of the page: devices and clicks go to the server, the server's events to ear and eye.

import { Camera } from "./camera.js";
import { Captions } from "./captions.js";
import { Connection } from "./connection.js";
import { Conversation } from "./conversation.js";
import { DeviceError, Microphone } from "./microphone.js";
import { Player } from "./player.js";
import { audioFormat, languageProperties } from "./protocol.js";
import { Strip } from "./strip.js";
import { Ui } from "./ui.js";
import { knows, speak, words } from "./words.js";

const FRAME_BACKLOG_BYTES = 256 * 1024;
const SOURCES = ["camera", "screen"];

class App {
  #phase = "idle";
  // Counts the attempts to connect while devices are being asked for; 0 when none is.
  #asking = 0;
  #attempts = 0;
  #isMuted = false;
  #ui;
  #captions;
  #player;
  #microphone;
  #cameras;
  #strip;
  #connection;
  #conversation;

  constructor(csrfToken) {
    this.#ui = new Ui({
      connect: () => this.connect(),
      disconnect: () => this.disconnect(),
      mute: () => this.#mute(),
      camera: () => this.#togglePicture("camera"),
      screen: () => this.#togglePicture("screen"),
      interrupt: () => this.#conversation.interrupt(),
      say: (text) => this.#conversation.say(text),
      pageLanguage: (language) => this.#speak(language),
      touched: () => this.#player.resume(),
    });
    this.#captions = new Captions(this.#ui.captionList, this.#ui.captionScroller, words);
    this.#strip = new Strip(this.#ui.stripList, this.#ui.stripSummary, words);
    this.#connection = new Connection(csrfToken, {
      phase: (phase, detail) => this.#enter(phase, detail),
      event: (event, payload) => this.#conversation.receive(event, payload),
      failure: (error, detail) => this.#failed(error, detail),
    });
    this.#openDevices();
    this.#conversation = new Conversation(this.#connection, this.#player, this.#captions, {
      changed: () => this.#show(),
      replied: () => this.#ui.dismissIf("server", "reply_"),
      delays: (delaysMs) => this.#ui.delays(delaysMs),
      framesWanted: (wanted) => this.#framesWanted(wanted),
      seen: (event) => this.#strip.show(event),
      alert: (event) => this.#alerted(event),
      trouble: (key, options) => this.#ui.alert("server", key, options),
    });
    addEventListener("pagehide", () => this.#connection.disconnect());
    this.#ui.speakPageLanguage();
    this.#show();
  }

  get state() {
    const { isHearing, isThinking, hasReply } = this.#conversation;
    return Object.freeze({
      phase: this.#phase,
      mood: this.#mood(),
      hasMicrophone: this.#microphone.isOpen,
      isMuted: this.#isMuted,
      isHearing,
      isThinking,
      isSpeaking: this.#player.isPlaying,
      pictures: Object.freeze(SOURCES.filter((source) => this.#cameras[source].isOn)),
      hasSeen: !this.#strip.isEmpty,
      canInterrupt: this.#phase === "open" && (this.#player.isPlaying || hasReply),
      hasCaptions: !this.#captions.isEmpty,
      alerts: Object.freeze(this.#ui.alerts),
    });
  }

  get captions() {
    return Object.freeze(this.#captions.snapshot());
  }

  get seen() {
    return Object.freeze(this.#strip.snapshot());
  }

  get playedRms() {
    return this.#player.rms;
  }

  async connect() {
    if (this.#phase !== "idle" || this.#asking || !this.#canHaveSound()) {
      return;
    }
    this.#ui.dismiss("connection", "server", "sound", "microphone", "picture", "watch");
    this.#captions.clear();
    this.#strip.clear();
    if (await this.#openEars()) {
      const { graphName, language } = this.#ui.choice;
      await this.#connection.connect({ graphName, properties: languageProperties(language) });
    }
  }

  disconnect() {
    this.#asking = 0;
    this.#connection.disconnect();
    this.#enter("idle");
    this.#ui.dismiss("connection", "server", "sound", "microphone", "picture", "watch");
    this.#ui.focusConnect();
  }

  #openDevices() {
    this.#player = new Player({
      progress: (...heard) => this.#conversation.heard(...heard),
      playing: () => this.#show(),
      voice: (rms) => this.#ui.voice(rms),
      blocked: (isBlocked) => this.#soundBlocked(isBlocked),
      overflow: () => this.#ui.alert("sound", "overflow"),
    });
    this.#microphone = new Microphone({
      chunk: (pcm) => this.#connection.send({ type: "input_audio_buffer.append" }, pcm),
      level: (rms) => this.#ui.level(rms),
      lost: () => this.#microphoneFailed("microphone_lost"),
    });
    const handlers = {
      maySend: () => this.#connection.isOpen && this.#connection.bufferedBytes <= FRAME_BACKLOG_BYTES,
      frame: (...frame) => this.#frame(...frame),
      stopped: () => this.#show(),
    };
    this.#cameras = Object.fromEntries(
      SOURCES.map((source) => [source, new Camera(source, this.#ui.videos[source], handlers)]),
    );
  }

  #frame(source, captured_at_ms, jpeg, canvas) {
    if (this.#connection.send({ type: "input_video_buffer.append", source, captured_at_ms }, jpeg)) {
      this.#strip.remember(source, captured_at_ms, canvas);
    }
  }

  // intervalsMs and sidesPixels are by source; a source that is not named follows intervalMs.
  #framesWanted({ intervalMs, intervalsMs = {}, sidesPixels = {} }) {
    for (const source of SOURCES) {
      this.#cameras[source].setInterval(intervalsMs[source] ?? intervalMs);
      this.#cameras[source].setLongestSide(sidesPixels[source]);
    }
  }

  #alerted(event) {
    this.#strip.alert(event);
    this.#ui.alert("watch", "alert", { text: event.text });
  }

  #mood() {
    if (this.#phase !== "open") {
      return this.#asking ? "microphone" : this.#phase;
    }
    if (this.#player.isPlaying) {
      return "speaking";
    }
    if (this.#conversation.isHearing) {
      return "hearing";
    }
    if (this.#conversation.isThinking) {
      return "thinking";
    }
    if (!this.#microphone.isOpen) {
      return "text_only";
    }
    return this.#isMuted ? "muted" : "listening";
  }

  #show() {
    this.#ui.show(this.state);
  }

  #speak(language) {
    speak(language);
    this.#ui.speakPageLanguage();
    this.#captions.relabel();
    this.#strip.relabel();
    this.#show();
  }

  #canHaveSound() {
    if (!isSecureContext) {
      this.#ui.alert("connection", "insecure_context");
    } else if (!globalThis.AudioWorkletNode || !navigator.mediaDevices) {
      this.#ui.alert("connection", "unsupported");
    } else {
      return true;
    }
    return false;
  }

  // Returns whether the person still wants to connect once everything has been asked.
  async #openEars() {
    const asking = (this.#attempts += 1);
    this.#asking = asking;
    this.#enter("connecting");
    this.#ui.focusControls();
    await this.#openSound();
    await this.#openMicrophone();
    const isWanted = asking === this.#asking;
    if (isWanted) {
      this.#asking = 0;
    }
    return isWanted;
  }

  // The conversation goes on without sound: the captions remain.
  async #openSound() {
    try {
      await this.#player.open();
    } catch (error) {
      this.#ui.alert("sound", "sound_failed", { code: error.name });
    }
  }

  async #openMicrophone() {
    try {
      await this.#microphone.open();
      this.#ui.dismiss("microphone");
      this.#declareFormat();
    } catch (error) {
      if (!(error instanceof DeviceError)) {
        throw error;
      }
      this.#microphoneFailed(error.code);
    }
    this.#show();
  }

  #microphoneFailed(code) {
    const action = { label: "action_retry", run: () => this.#openMicrophone() };
    this.#ui.alert("microphone", code, { action });
    this.#show();
  }

  #declareFormat() {
    if (this.#microphone.isOpen && this.#connection.isOpen) {
      this.#connection.send(audioFormat(this.#microphone.rateHz));
    }
  }

  #soundBlocked(isBlocked) {
    if (isBlocked && this.#phase !== "idle") {
      const action = { label: "action_sound", run: () => this.#player.resume() };
      this.#ui.alert("sound", "sound_blocked", { action });
    } else {
      this.#ui.dismiss("sound");
    }
  }

  #mute() {
    this.#isMuted = !this.#isMuted;
    this.#microphone.mute(this.#isMuted);
    this.#show();
  }

  async #togglePicture(source) {
    this.#ui.dismiss("picture");
    if (this.#cameras[source].isOn) {
      this.#cameras[source].close();
    } else if (source === "screen" && !navigator.mediaDevices.getDisplayMedia) {
      this.#ui.alert("picture", "screen_missing");
    } else {
      await this.#openPicture(source);
    }
    this.#show();
  }

  async #openPicture(source) {
    try {
      await this.#cameras[source].open();
    } catch (error) {
      if (!(error instanceof DeviceError)) {
        throw error;
      }
      this.#ui.alert("picture", error.code);
    }
  }

  #enter(phase, detail = {}) {
    this.#phase = phase;
    if (phase === "open") {
      if (detail.isNew) {
        this.#conversation.beginAnew();
      }
      this.#ui.dismiss("connection");
      this.#declareFormat();
      this.#conversation.opened();
    } else if (phase === "idle" || !this.#connection.mayResume) {
      this.#conversation.reset();
    }
    if (phase === "waiting") {
      this.#ui.dismiss("server");
      this.#waiting(detail);
    } else if (phase === "idle") {
      this.#conversation.ended();
      this.#release();
    }
    this.#show();
  }

  #waiting({ error, delayMs }) {
    this.#ui.alert("connection", error, {
      values: { seconds: Math.max(1, Math.round(delayMs / 1000)) },
      action: { label: "action_reconnect", run: () => this.#connection.retryNow() },
    });
  }

  #release() {
    this.#microphone.close();
    SOURCES.forEach((source) => this.#cameras[source].close());
    this.#player.close();
    this.#isMuted = false;
    this.#microphone.mute(false);
  }

  #failed(error, { code = "", text = "" }) {
    if (error === "bad_message") {
      this.#ui.alert("server", error);
      return;
    }
    const known = knows(`${error}_${code}`) ? `${error}_${code}` : error;
    this.#ui.alert("connection", known, { text, code, action: this.#wayBack(error) });
  }

  #wayBack(error) {
    switch (error) {
      case "superseded":
        return { label: "action_take_back", run: () => this.#takeBack() };
      case "session_ended":
        return { label: "action_start_again", run: () => this.connect() };
      case "not_allowed":
        return null;
      default:
        return { label: "action_retry", run: () => this.connect() };
    }
  }

  async #takeBack() {
    this.#ui.dismiss("connection");
    if (await this.#openEars()) {
      await this.#connection.takeBack();
    }
  }
}

const app = new App(document.querySelector("meta[name=csrf-token]").content);

Object.defineProperty(window, "novaProbe", {
  value: Object.freeze({
    get played_rms() { return app.playedRms; },
    get state() { return app.state; },
    get captions() { return app.captions; },
    get seen() { return app.seen; },
  }),
});
