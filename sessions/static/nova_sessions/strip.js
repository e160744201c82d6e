// What the agent really saw: owns small copies of the frames sent from here, and the strip of those that went into a
// reply or an alert. It asks the server for nothing.

const THUMBNAIL_WIDTH = 160;
// Frames that may still be named by a reply: a minute of two sources, and some.
const KEPT_FRAMES = 300;
const SHOWN_FRAMES = 36;
// A frame that was left out was not seen.
const PLACES = new Set(["picture", "mosaic"]);

export class Strip {
  #list;
  #summary;
  #words;
  #frames = new Map();
  #shown = new Map();
  #told = null;

  // `words(key, values)` gives the page's words.
  constructor(list, summary, words) {
    this.#list = list;
    this.#summary = summary;
    this.#words = words;
  }

  get isEmpty() {
    return this.#shown.size === 0;
  }

  snapshot() {
    return [...this.#shown.values()].map(({ frame, isAlert }) => Object.freeze({ ...frame, isAlert }));
  }

  // `canvas` holds the frame now and another one later, so it is copied.
  remember(source, capturedAtMs, canvas) {
    const copy = document.createElement("canvas");
    copy.width = THUMBNAIL_WIDTH;
    copy.height = Math.max(1, Math.round((THUMBNAIL_WIDTH * canvas.height) / Math.max(1, canvas.width)));
    copy.getContext("2d").drawImage(canvas, 0, 0, copy.width, copy.height);
    this.#frames.set(nameOf(source, capturedAtMs), copy);
    if (this.#frames.size > KEPT_FRAMES) {
      this.#frames.delete(this.#frames.keys().next().value);
    }
  }

  // A nova.vision event that tells of a reply: its frames, or later only what they have really cost.
  show({ frames = [], tokens = 0, cost_usd: costUsd = null, budget = "full" }) {
    for (const frame of frames) {
      if (PLACES.has(frame.place)) {
        this.#add(frame, false);
      }
    }
    this.#told = { tokens, costUsd, budget };
    this.#summarise();
  }

  alert({ source, captured_at_ms: capturedAtMs }) {
    this.#add({ source, captured_at_ms: capturedAtMs, place: "picture", reason: "alert" }, true);
  }

  clear() {
    this.#frames.clear();
    this.#shown.clear();
    this.#list.replaceChildren();
    this.#told = null;
    this.#summarise();
  }

  relabel() {
    for (const entry of this.#shown.values()) {
      this.#draw(entry);
    }
    this.#summarise();
  }

  // A frame that was shown before moves to the end, with its newest reason.
  #add(frame, isAlert) {
    const name = nameOf(frame.source, frame.captured_at_ms);
    const known = this.#shown.get(name);
    this.#shown.delete(name);
    known?.element.remove();
    const entry = { frame, isAlert: isAlert || Boolean(known?.isAlert), element: document.createElement("li") };
    const picture = known?.picture ?? this.#frames.get(name) ?? null;
    Object.assign(entry, { picture });
    this.#draw(entry);
    this.#shown.set(name, entry);
    this.#list.append(entry.element);
    if (this.#shown.size > SHOWN_FRAMES) {
      const [oldestName, oldest] = this.#shown.entries().next().value;
      oldest.element.remove();
      this.#shown.delete(oldestName);
    }
    this.#list.scrollLeft = this.#list.scrollWidth;
  }

  #draw({ frame, isAlert, picture, element }) {
    const time = new Date(frame.captured_at_ms).toLocaleTimeString([], { hour12: false });
    const why = this.#words(isAlert ? "seen_alert" : `seen_${frame.reason}`);
    const source = this.#words(frame.source);
    element.className = `seen-frame ${frame.place}${isAlert ? " alerting" : ""}`;
    element.title = `${source}, ${time}: ${why}`;
    const caption = document.createElement("small");
    caption.textContent = why;
    const at = document.createElement("time");
    at.textContent = time;
    const parts = picture ? [picture, at, caption] : [at, caption];
    picture?.setAttribute("role", "img");
    picture?.setAttribute("aria-label", `${source}, ${time}`);
    element.replaceChildren(...parts);
  }

  #summarise() {
    if (!this.#told) {
      this.#summary.textContent = "";
      return;
    }
    const { tokens, costUsd, budget } = this.#told;
    const cost = costUsd === null ? "" : ` · $${costUsd.toFixed(4)}`;
    const less = budget === "full" ? "" : ` · ${this.#words(`budget_${budget}`)}`;
    this.#summary.textContent = `${this.#words("seen_tokens", { tokens })}${cost}${less}`;
  }
}

function nameOf(source, capturedAtMs) {
  return `${source} ${capturedAtMs}`;
}
