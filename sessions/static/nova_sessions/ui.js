// The page as the person sees it: shows a state, tells of clicks. It holds no conversation and no device.

import { errorWords, pageLanguage, words } from "./words.js";

const QUIETEST_DECIBELS = -55;
const SVG = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);

// actions: connect, disconnect, mute, camera, screen, interrupt, say(text), pageLanguage(language), touched
export class Ui {
  #alerts = new Map();
  #announced = "";

  constructor(actions) {
    this.videos = { camera: byId("camera-video"), screen: byId("screen-video") };
    this.stripList = byId("strip");
    this.stripSummary = byId("strip-summary");
    this.captionList = byId("captions");
    this.captionScroller = byId("scroller");
    this.#listen(actions);
    this.#chooseGraph();
  }

  get choice() {
    return { graphName: byId("graph").value, language: byId("language").value };
  }

  // state: see App.state
  show(state) {
    const isIdle = state.phase === "idle";
    const isOpen = state.phase === "open";
    document.body.dataset.phase = state.phase;
    document.body.dataset.mood = state.mood;
    byId("setup").hidden = !isIdle;
    byId("controls").hidden = isIdle;
    byId("meter").hidden = !isOpen || !state.hasMicrophone;
    this.#showMute(state);
    for (const source of ["camera", "screen"]) {
      press(byId(source), state.pictures.includes(source));
      byId(source).disabled = !isOpen;
      byId(`${source}-preview`).hidden = !state.pictures.includes(source);
    }
    byId("previews").hidden = state.pictures.length === 0;
    byId("seen").hidden = !state.hasSeen;
    // What is sent before the socket is open is kept until then.
    for (const id of ["text", "send"]) {
      byId(id).disabled = isIdle;
    }
    byId("interrupt").disabled = !state.canInterrupt;
    byId("empty").hidden = state.hasCaptions;
    this.#announce(words(`status_${state.mood}`));
  }

  level(rms) {
    const decibels = rms > 0 ? 20 * Math.log10(rms) : -Infinity;
    const share = Math.min(1, Math.max(0, 1 - decibels / QUIETEST_DECIBELS));
    byId("meter").setAttribute("aria-valuenow", String(Math.round(share * 100)));
    byId("stage").style.setProperty("--level", share.toFixed(3));
  }

  // How loud the agent is heard, for the picture of it.
  voice(rms) {
    byId("presence").style.setProperty("--voice", Math.min(1, rms * 5).toFixed(3));
  }

  // One alert for each slot; an action is { label, run }. What the server said (`text`, `code`) goes in as text only.
  alert(slot, key, { values = {}, text = "", code = "", action = null, calm = false } = {}) {
    const { element, isNew } = this.#alertElement(slot, calm);
    const { title, advice } = errorWords(key, values);
    const parts = [
      newElement("strong", "", title), newElement("p", "said", text), newElement("p", "", advice),
      newElement("code", "", code),
    ].filter((part) => part.textContent !== "");
    element.dataset.code = key;
    element.firstChild.replaceChildren(...parts);
    element.lastChild.replaceChildren(...this.#alertButtons(slot, action));
    this.#alerts.set(slot, { key, options: { values, text, code, action, calm }, element });
    if (isNew) {
      byId("alerts").append(element);
    }
  }

  dismiss(...slots) {
    for (const slot of slots) {
      this.#alerts.get(slot)?.element.remove();
      this.#alerts.delete(slot);
    }
  }

  // Takes the alert down if what it says begins like this.
  dismissIf(slot, prefix) {
    if (this.#alerts.get(slot)?.key.startsWith(prefix)) {
      this.dismiss(slot);
    }
  }

  get alerts() {
    return [...this.#alerts.values()].map(({ key }) => key);
  }

  delays(delaysMs) {
    const list = byId("metrics");
    list.replaceChildren();
    for (const [name, delayMs] of Object.entries(delaysMs)) {
      if (typeof delayMs === "number") {
        const figure = newElement("dd", "", `${Math.round(delayMs)} ms`);
        list.append(newElement("dt", "", name.replaceAll("_", " ")), figure);
      }
    }
    byId("details").hidden = list.childElementCount === 0;
  }

  speakPageLanguage() {
    document.documentElement.lang = pageLanguage();
    document.title = words("title");
    for (const [attribute, set] of Object.entries(TRANSLATED)) {
      for (const element of document.querySelectorAll(`[data-${attribute}]`)) {
        set(element, words(element.dataset[attribute]));
      }
    }
    for (const button of document.querySelectorAll("[data-page-language]")) {
      press(button, button.dataset.pageLanguage === pageLanguage());
    }
    byId("interrupt").title = words("interrupt_hint");
    for (const [slot, { key, options }] of this.#alerts) {
      this.alert(slot, key, options);
    }
    this.#showLanguages(byId("language").value);
  }

  focusControls() {
    byId("controls").focus({ preventScroll: true });
  }

  focusConnect() {
    byId("connect").focus();
  }

  #listen(actions) {
    for (const id of ["disconnect", "mute", "camera", "screen", "interrupt"]) {
      byId(id).addEventListener("click", () => actions[id]());
    }
    onSubmit("setup", actions.connect);
    onSubmit("typing", () => this.#say(actions.say));
    byId("graph").addEventListener("change", () => this.#chooseGraph());
    for (const button of document.querySelectorAll("[data-page-language]")) {
      button.addEventListener("click", () => actions.pageLanguage(button.dataset.pageLanguage));
    }
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !byId("interrupt").disabled) {
        actions.interrupt();
      }
    });
    for (const touch of ["pointerdown", "keydown"]) {
      addEventListener(touch, () => actions.touched(), { capture: true });
    }
  }

  #say(say) {
    const text = byId("text").value.trim();
    if (text && say(text)) {
      byId("text").value = "";
    }
  }

  #chooseGraph() {
    const graph = byId("graph").selectedOptions[0];
    byId("graph-description").textContent = graph?.dataset.description ?? "";
    this.#showLanguages(byId("language").value);
  }

  // Keeps the wanted language where the graph speaks it, else the page's own, else the graph's first.
  #showLanguages(wanted) {
    const languages = languagesOf(byId("graph").selectedOptions[0]);
    const options = languages.map((language) => {
      const option = newElement("option", "", languageName(language));
      option.value = language;
      return option;
    });
    byId("language").replaceChildren(...options);
    const chosen = [wanted, languages.find((language) => isSpokenAs(language, pageLanguage())), languages[0]];
    byId("language").value = chosen.find((language) => languages.includes(language)) ?? "";
  }

  #showMute(state) {
    const button = byId("mute");
    const label = state.isMuted ? "unmute" : "mute";
    press(button, state.isMuted);
    button.disabled = !state.hasMicrophone;
    button.querySelector("use").setAttribute("href", state.isMuted ? "#icon-muted" : "#icon-microphone");
    button.querySelector("span").dataset.words = label;
    button.querySelector("span").textContent = words(label);
  }

  // Set only when it changes, or screen readers say it again.
  #announce(text) {
    if (text !== this.#announced) {
      this.#announced = text;
      byId("status").textContent = text;
    }
  }

  #alertElement(slot, calm) {
    const known = this.#alerts.get(slot);
    const element = known?.element ?? newElement("div", "alert");
    if (!known) {
      element.setAttribute("role", calm ? "status" : "alert");
      element.append(newElement("div", "alert-text"), newElement("div", "alert-actions"));
    }
    element.classList.toggle("calm", calm);
    return { element, isNew: !known };
  }

  #alertButtons(slot, action) {
    const buttons = [];
    if (action) {
      buttons.push(newButton(words(action.label), "act", action.run));
    }
    buttons.push(newIconButton(words("close"), "dismiss", "icon-close", () => this.dismiss(slot)));
    return buttons;
  }
}

const TRANSLATED = {
  words: (element, text) => { element.textContent = text; },
  label: (element, text) => element.setAttribute("aria-label", text),
  placeholder: (element, text) => element.setAttribute("placeholder", text),
};

function onSubmit(id, run) {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    run();
  });
}

function press(button, isPressed) {
  button.setAttribute("aria-pressed", String(isPressed));
}

function newElement(tag, className, text = "") {
  const element = document.createElement(tag);
  if (className) {
    element.className = className;
  }
  element.textContent = text;
  return element;
}

function newButton(label, className, run) {
  const button = newElement("button", className, label);
  button.type = "button";
  button.addEventListener("click", run);
  return button;
}

function newIconButton(label, className, icon, run) {
  const button = newButton("", className, run);
  button.setAttribute("aria-label", label);
  const picture = document.createElementNS(SVG, "svg");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#${icon}`);
  picture.append(use);
  button.append(picture);
  return button;
}

function languagesOf(graphOption) {
  return (graphOption?.dataset.languages ?? "").split(" ").filter(Boolean);
}

function isSpokenAs(language, spoken) {
  return language === spoken || language.startsWith(`${spoken}-`) || (spoken === "zh" && language.startsWith("cmn"));
}

function languageName(language) {
  if (isSpokenAs(language, "en")) {
    return words("language_en");
  }
  return isSpokenAs(language, "zh") ? words("language_zh") : language;
}
