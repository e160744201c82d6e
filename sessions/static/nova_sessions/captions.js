// What both sides said, as it comes: owns the list of captions, its order, and its place on the page.

const KEPT = 200;
const NEAR_END_PIXELS = 80;

export class Captions {
  #list;
  #scroller;
  #label;
  #entries = new Map();
  #isFollowing = true;

  // `label` gives the words for a role or a mark: label("user"), label("assistant"), label("interrupted").
  constructor(list, scroller, label) {
    this.#list = list;
    this.#scroller = scroller;
    this.#label = label;
    scroller.addEventListener("scroll", () => {
      this.#isFollowing = this.#isNearEnd();
    }, { passive: true });
    new ResizeObserver(() => this.#follow()).observe(scroller);
  }

  // Keeps the place in the order of speaking; nothing is shown until there are words.
  reserve(itemId, role) {
    this.#entry(itemId, role);
  }

  append(itemId, role, text) {
    const entry = this.#entry(itemId, role);
    if (!entry.isWhole && !entry.isInterrupted) {
      this.#write(entry, entry.text + text, false);
    }
  }

  // `text` is everything said so far, so that deltas of the same item have nothing to add.
  replace(itemId, role, text, isFinal) {
    const entry = this.#entry(itemId, role);
    entry.isWhole = true;
    if (!entry.isSettled) {
      this.#write(entry, text, isFinal);
    }
  }

  // The last word on an item: nothing that comes late changes it.
  settle(itemId, role, text) {
    const entry = this.#entry(itemId, role);
    entry.isSettled = true;
    this.#write(entry, text, true);
  }

  close(itemId) {
    const entry = this.#entries.get(itemId);
    if (entry) {
      this.#write(entry, entry.text, true);
    }
  }

  markInterrupted(itemId) {
    const entry = this.#entries.get(itemId);
    if (entry) {
      entry.isInterrupted = true;
      this.#write(entry, entry.text, true);
    }
  }

  clear() {
    this.#isFollowing = true;
    this.#entries.clear();
    this.#list.replaceChildren();
  }

  relabel() {
    for (const entry of this.#entries.values()) {
      this.#draw(entry);
    }
  }

  get isEmpty() {
    return ![...this.#entries.values()].some((entry) => entry.text !== "");
  }

  snapshot() {
    return [...this.#entries.values()]
      .filter((entry) => entry.text !== "")
      .map(({ itemId, role, text, isFinal, isInterrupted }) => (
        Object.freeze({ itemId, role, text, isFinal, isInterrupted })
      ));
  }

  #entry(itemId, role) {
    let entry = this.#entries.get(itemId);
    if (!entry) {
      entry = { itemId, role, text: "", isFinal: false };
      Object.assign(entry, { isWhole: false, isSettled: false, isInterrupted: false });
      entry.element = newElement(role);
      this.#entries.set(itemId, entry);
      this.#list.append(entry.element);
      this.#forgetOldest();
    }
    return entry;
  }

  #write(entry, text, isFinal) {
    entry.text = text;
    entry.isFinal = isFinal;
    this.#draw(entry);
    this.#follow();
  }

  // Somebody who has scrolled back to read is left where they are.
  #follow() {
    if (this.#isFollowing) {
      this.#scroller.scrollTop = this.#scroller.scrollHeight;
    }
  }

  // Words from outside go in as text only, never as markup.
  #draw(entry) {
    const [speaker, words, mark] = entry.element.children;
    speaker.textContent = this.#label(entry.role);
    words.textContent = entry.text;
    mark.textContent = entry.isInterrupted ? this.#label("interrupted") : "";
    entry.element.hidden = entry.text.trim() === "";
    entry.element.classList.toggle("partial", !entry.isFinal);
  }

  #isNearEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroller;
    return scrollHeight - scrollTop - clientHeight < NEAR_END_PIXELS;
  }

  #forgetOldest() {
    if (this.#entries.size > KEPT) {
      const [oldestId, oldest] = this.#entries.entries().next().value;
      oldest.element.remove();
      this.#entries.delete(oldestId);
    }
  }
}

function newElement(role) {
  const element = document.createElement("li");
  element.className = `caption ${role === "user" ? "by-user" : "by-agent"}`;
  element.hidden = true;
  for (const [tag, className] of [["span", "speaker"], ["p", "words"], ["small", "mark"]]) {
    const part = document.createElement(tag);
    part.className = className;
    element.append(part);
  }
  return element;
}
