// The shape of the messages on the socket, and nothing else: no socket, no sound, no page.

// Each event that carries bytes, and the field those bytes stand for.
const BYTES_FIELD = {
  "input_audio_buffer.append": "audio",
  "input_video_buffer.append": "image",
  "response.output_audio.delta": "delta",
};
const HEADER_LENGTH_BYTES = 2;
const HEADER_LIMIT_BYTES = 0xffff;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export const SPEECH_RATE_HZ = 24000;

export class ProtocolError extends Error {}

export function carriesBytes(type) {
  return Object.hasOwn(BYTES_FIELD, type);
}

// u16 big-endian header length, the event as UTF-8 JSON, the raw bytes.
export function packMessage(event, payload) {
  const header = encoder.encode(JSON.stringify(event));
  if (header.length > HEADER_LIMIT_BYTES) {
    throw new ProtocolError("the event does not fit into a message header");
  }
  const message = new Uint8Array(HEADER_LENGTH_BYTES + header.length + payload.byteLength);
  new DataView(message.buffer).setUint16(0, header.length);
  message.set(header, HEADER_LENGTH_BYTES);
  message.set(new Uint8Array(payload), HEADER_LENGTH_BYTES + header.length);
  return message.buffer;
}

// `data` is a string or an ArrayBuffer; the payload is null for a text message.
export function unpackMessage(data) {
  if (typeof data === "string") {
    return { event: parseEvent(data), payload: null };
  }
  if (data.byteLength < HEADER_LENGTH_BYTES) {
    throw new ProtocolError("a binary message is shorter than its header length");
  }
  const payloadStart = HEADER_LENGTH_BYTES + new DataView(data).getUint16(0);
  if (payloadStart > data.byteLength) {
    throw new ProtocolError("a binary message ends inside its header");
  }
  const header = new Uint8Array(data, HEADER_LENGTH_BYTES, payloadStart - HEADER_LENGTH_BYTES);
  return { event: parseEvent(decodeText(header)), payload: data.slice(payloadStart) };
}

function decodeText(bytes) {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new ProtocolError("a message header is not UTF-8");
  }
}

function parseEvent(text) {
  let event;
  try {
    event = JSON.parse(text);
  } catch {
    throw new ProtocolError("a message is not JSON");
  }
  if (event === null || typeof event !== "object" || typeof event.type !== "string") {
    throw new ProtocolError("a message has no type");
  }
  return event;
}

// An odd trailing byte is no sample and is left out.
export function samplesOf(payload) {
  return new Int16Array(payload, 0, payload.byteLength >> 1);
}

export function audioFormat(rateHz) {
  return {
    type: "session.update",
    session: { type: "realtime", audio: { input: { format: { type: "audio/pcm", rate: rateHz } } } },
  };
}

// What `start` changes so that a graph hears and speaks `language`, named as Amazon Transcribe names it.
// The server chooses the voice; only the two services' names for Chinese differ.
export function languageProperties(language) {
  const spoken = { "zh-CN": "cmn-CN", "zh-TW": "cmn-CN", "zh-HK": "yue-CN" }[language] ?? language;
  return language ? { stt: { lang_code: language }, tts: { lang_code: spoken } } : {};
}

export function typedMessage(itemId, text) {
  return {
    type: "conversation.item.create",
    item: { id: itemId, type: "message", role: "user", content: [{ type: "input_text", text }] },
  };
}

// What a close code asks of this page: "retry" opens the socket again by itself, "renew" also asks for a
// new ticket first, "stop" waits for the person.
export function closeMeaning(code) {
  switch (code) {
    case 1000:
    case 4410:
      return { error: "session_ended", next: "stop" };
    case 4400:
      return { error: "misunderstood", next: "stop" };
    case 4401:
      return { error: "ticket_refused", next: "renew" };
    case 4403:
      return { error: "not_allowed", next: "stop" };
    case 4408:
      return { error: "too_slow", next: "retry" };
    case 4409:
      return { error: "superseded", next: "stop" };
    case 4429:
      return { error: "too_fast", next: "stop" };
    case 1012:
      return { error: "server_restarting", next: "retry" };
    case 1013:
      return { error: "server_busy", next: "retry" };
    default:
      return { error: "connection_lost", next: "retry" };
  }
}

// crypto.randomUUID exists only where the page is served securely; this exists everywhere.
export function randomId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function randomUid() {
  return (crypto.getRandomValues(new Uint32Array(1))[0] % 0x7fffffff) + 1;
}
