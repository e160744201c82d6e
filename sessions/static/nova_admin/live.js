// The live view: captions as they come over the staff's socket, and the forms by which an operator acts; all text goes in as text.

const CAPTIONS_MAX = 400;
const RETRY_MS = 2_000;
const ROLES = new Set(["user", "assistant", "tool", "notice", "fault"]);
const FINAL_CODES = new Set([4403, 4410]);
const page = document.getElementById("live");
const captions = document.getElementById("captions");
const linkState = document.getElementById("link-state");
const agentState = document.getElementById("agent-state");
const byItem = new Map();

function tone(element, text, kind) {
  element.textContent = text;
  element.className = `nova-badge nova-${kind}`;
}

function caption(id, role) {
  const known = id ? byItem.get(id) : undefined;
  if (known) return known;
  const made = document.createElement("div");
  made.className = "nova-caption";
  made.dataset.role = ROLES.has(role) ? role : "notice";
  const words = document.createElement("span");
  const note = document.createElement("small");
  made.append(words, note);
  const isAtEnd = captions.scrollHeight - captions.scrollTop - captions.clientHeight < 60;
  captions.append(made);
  if (id) byItem.set(id, made);
  while (captions.children.length > CAPTIONS_MAX) {
    const oldest = captions.firstElementChild;
    for (const [key, value] of byItem) if (value === oldest) byItem.delete(key);
    oldest.remove();
  }
  if (isAtEnd) captions.scrollTop = captions.scrollHeight;
  return made;
}

function write(element, text, { isFinal = true, note } = {}) {
  const isAtEnd = captions.scrollHeight - captions.scrollTop - captions.clientHeight < 120;
  element.querySelector("span").textContent = text;
  if (note !== undefined) element.querySelector("small").textContent = note;
  element.dataset.final = String(isFinal);
  if (isAtEnd) captions.scrollTop = captions.scrollHeight;
}

function showItem(item) {
  if (!item.text && !item.pictures) return;
  const text = item.text || `(${item.pictures} pictures)`;
  write(caption(item.item_id, item.role), text, { note: item.status === "incomplete" ? "cut off: this much was heard" : "" });
}

function remark(role, text) {
  write(caption("", role), text);
}

function showMeasured(delays) {
  const rows = Object.entries(delays).flatMap(([name, value]) => {
    const term = document.createElement("dt");
    term.textContent = name.replaceAll("_", " ");
    const meaning = document.createElement("dd");
    meaning.textContent = `${Math.round(value)} ms`;
    return [term, meaning];
  });
  document.getElementById("measured").replaceChildren(...rows);
}

const handlers = {
  before: ({ items }) => items.forEach(showItem),
  user_words: ({ item_id, text, is_final }) => { if (text) write(caption(item_id, "user"), text, { isFinal: is_final }); },
  agent_words: ({ item_id, delta }) => {
    const element = caption(item_id, "assistant");
    write(element, element.querySelector("span").textContent + delta, { isFinal: false });
  },
  item: showItem,
  reply_ended: ({ items, status, error }) => {
    items.forEach(showItem);
    if (status === "failed") remark("fault", error || "the reply failed");
  },
  cut_off: ({ item_id, reason }) => write(caption(item_id, "assistant"), caption(item_id, "assistant").querySelector("span").textContent, { note: `cut off (${reason})` }),
  held: ({ is_held }) => remark("notice", is_held ? "the agent waits: was that an interruption?" : "the agent goes on"),
  state: ({ is_listening, is_thinking, is_speaking }) => tone(agentState, is_speaking ? "speaking" : is_thinking ? "thinking" : is_listening ? "listening" : "asleep", is_speaking || is_thinking ? "good" : "quiet"),
  measured: ({ delays_ms }) => showMeasured(delays_ms),
  vision: ({ pictures }) => { if (pictures) remark("notice", `${pictures} pictures were shown to the model`); },
  notice: ({ text }) => remark("notice", text),
  fault: ({ code, text }) => remark("fault", `${code}: ${text}`),
  gap: () => remark("notice", "some captions are missing here"),
};

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${scheme}://${location.host}/admin/live/${encodeURIComponent(page.dataset.session)}/`);
  socket.addEventListener("open", () => tone(linkState, "connected", "good"));
  socket.addEventListener("message", ({ data }) => {
    const event = JSON.parse(data);
    if (event.name === "before") { captions.replaceChildren(); byItem.clear(); }
    handlers[event.name]?.(event);
  });
  socket.addEventListener("close", ({ code, reason }) => {
    if (FINAL_CODES.has(code)) {
      tone(linkState, code === 4410 ? "ended" : "not allowed", "quiet");
      tone(agentState, "–", "quiet");
    } else {
      tone(linkState, reason || "connecting again", "warning");
      setTimeout(connect, RETRY_MS);
    }
  });
}

async function act(form) {
  const note = form.querySelector(".nova-note");
  const button = form.querySelector("button");
  button.disabled = true;
  note.dataset.tone = "";
  try {
    const answer = await fetch(form.dataset.act, { method: "POST", body: new FormData(form), headers: { Accept: "application/json" }, signal: AbortSignal.timeout(10_000) });
    const { text } = await answer.json();
    note.textContent = text;
    note.dataset.tone = answer.ok ? "good" : "bad";
    if (answer.ok) form.reset();
  } catch (error) {
    note.textContent = `not done: ${error.message}`;
    note.dataset.tone = "bad";
  }
  button.disabled = false;
}

for (const form of document.querySelectorAll("form[data-act]")) {
  form.addEventListener("submit", (event) => { event.preventDefault(); act(form); });
}
connect();
