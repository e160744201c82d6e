// One conversation as this page follows it: each event of the server to its effect, each wish of the person
// to its events. It owns what is being said and thought now; sound and words are kept by player and captions.

import { randomId, typedMessage } from "./protocol.js";

// What the server says to a cancel that came after the end: nothing to tell the person.
const CANCELLED_TOO_LATE = "response_cancel_not_active";

// handlers: changed(), replied(), delays(delaysMs), framesWanted(wanted), seen(event), alert(event), trouble(key, options)
export class Conversation {
  #connection;
  #player;
  #captions;
  #handlers;
  #responseId = null;
  #audible = { responseId: null, itemId: null };
  #itemOfResponse = new Map();
  #isHearing = false;
  #isThinking = false;
  // What was typed before the socket was open: { itemId, text }.
  #unsaid = null;
  // What was typed and is not known to have arrived.
  #unconfirmed = null;

  constructor(connection, player, captions, handlers) {
    this.#connection = connection;
    this.#player = player;
    this.#captions = captions;
    this.#handlers = handlers;
  }

  get isHearing() {
    return this.#isHearing;
  }

  get isThinking() {
    return this.#isThinking;
  }

  get hasReply() {
    return this.#responseId !== null;
  }

  receive(event, payload) {
    const take = TAKES[event.type];
    if (take) {
      take(this, event, payload);
      this.#handlers.changed();
    }
  }

  // Returns whether it was sent, or kept until the socket is open; one text is kept, no more.
  say(text) {
    const { isOpen } = this.#connection;
    if (!isOpen && this.#unsaid) {
      return false;
    }
    if (isOpen) {
      this.interrupt();
    }
    const itemId = `item_${randomId().slice(0, 24)}`;
    this.#captions.settle(itemId, "user", text);
    if (!isOpen) {
      this.#unsaid = { itemId, text };
    }
    const isTaken = !isOpen || this.#send(itemId, text);
    this.#handlers.changed();
    return isTaken;
  }

  // The socket is open. A greeting may have begun there of which nothing was heard here yet.
  opened() {
    const unsaid = this.#unsaid;
    this.#unsaid = null;
    if (unsaid) {
      this.#connection.send({ type: "response.cancel" });
      this.#send(unsaid.itemId, unsaid.text);
    }
  }

  // The person or the server has ended it: what was not said will not be.
  ended() {
    this.#unsaid = null;
    this.#unconfirmed = null;
  }

  arrived(itemId) {
    if (itemId === this.#unconfirmed?.itemId) {
      this.#unconfirmed = null;
    }
  }

  // The socket is another one. Not recovered: the talk is shown anew, as the server knows it.
  resumed({ recovered, items }) {
    if (!recovered) {
      this.#captions.clear();
      items.forEach((item) => this.#show(item));
    }
    const unconfirmed = this.#unconfirmed;
    if (unconfirmed) {
      this.#captions.settle(unconfirmed.itemId, "user", unconfirmed.text);
      this.#send(unconfirmed.itemId, unconfirmed.text);
    }
  }

  // Silence comes first, from here; the server learns of it in the same moment. A reply that was sent to its
  // end may still be heard for two seconds: that one is cancelled, too.
  interrupt() {
    const audibleId = this.#player.isPlaying ? this.#audible.responseId : null;
    const responseId = this.#responseId ?? audibleId;
    this.#silence(responseId, this.#itemOfResponse.get(responseId) ?? (audibleId && this.#audible.itemId));
    if (responseId) {
      this.#connection.send({ type: "response.cancel", response_id: responseId });
    }
    this.#handlers.changed();
  }

  heard(itemId, contentIndex, audioEndMs) {
    this.#connection.send({
      type: "output_audio_buffer.progress",
      item_id: itemId, content_index: contentIndex, audio_end_ms: audioEndMs,
    });
  }

  // The socket is gone for good: nothing of what was under way will be finished.
  reset() {
    this.#silence(this.#responseId, this.#itemOfResponse.get(this.#responseId));
    this.#forget();
  }

  // The server tells everything anew: what sounds now may still be finished, what is shown so far will not.
  beginAnew() {
    const itemId = this.#itemOfResponse.get(this.#responseId);
    if (itemId) {
      this.#captions.markInterrupted(itemId);
    }
    this.#forget();
  }

  #forget() {
    this.#itemOfResponse.clear();
    this.#responseId = null;
    this.#isHearing = false;
    this.#isThinking = false;
  }

  userIs(itemId, isHearing) {
    this.#isHearing = isHearing;
    if (itemId) {
      this.#captions.reserve(itemId, "user");
    }
  }

  userSaid(itemId, text, isFinal) {
    this.#captions.replace(itemId, "user", text, isFinal);
  }

  userEnds(itemId, text) {
    this.#captions.settle(itemId, "user", text);
  }

  userFails({ item_id: itemId, error }) {
    this.#captions.close(itemId);
    this.trouble("server_error", error?.message, error?.code);
  }

  userGoesOn(itemId, text) {
    this.#captions.append(itemId, "user", text);
  }

  replyBegins(responseId) {
    this.#responseId = responseId;
    this.#isThinking = true;
    this.#handlers.replied();
  }

  agentGoesOn({ response_id: responseId, item_id: itemId, delta }) {
    this.#itemOfResponse.set(responseId, itemId);
    this.#captions.append(itemId, "assistant", delta);
  }

  agentSaid(itemId, text) {
    if (text) {
      this.#captions.settle(itemId, "assistant", text);
    } else {
      this.#captions.close(itemId);
    }
  }

  agentSounds(event, payload) {
    this.#itemOfResponse.set(event.response_id, event.item_id);
    this.#audible = { responseId: event.response_id, itemId: event.item_id };
    this.#isThinking = false;
    this.#player.play(event, payload);
  }

  soundEnds(itemId) {
    this.#player.finish(itemId);
  }

  // A cancelled reply has nothing more to play; any other plays what it sent to its end.
  replyEnds(response) {
    const itemId = this.#itemOfResponse.get(response.id);
    this.#itemOfResponse.delete(response.id);
    if (response.id === this.#responseId) {
      this.#responseId = null;
      this.#isThinking = false;
    }
    if (itemId && response.status === "cancelled") {
      this.#captions.markInterrupted(itemId);
    } else if (itemId) {
      this.#captions.close(itemId);
    }
    this.#player.finish(itemId);
    this.#reportEnd(response);
  }

  hold(isHeld) {
    this.#player.hold(isHeld);
  }

  flush({ response_id: responseId, item_id: itemId }) {
    this.#silence(responseId, itemId);
  }

  serverState({ thinking }) {
    if (typeof thinking === "boolean") {
      this.#isThinking = thinking;
    }
  }

  measured(event) {
    this.#handlers.delays(event.delays_ms ?? {});
  }

  begins({ frame_interval_ms: intervalMs, frame_side_px: sidesPixels }) {
    this.#handlers.framesWanted({ intervalMs, sidesPixels });
  }

  vision(event) {
    this.#handlers.framesWanted({ intervalMs: event.interval_ms, intervalsMs: event.intervals_ms });
    if (event.response_id) {
      this.#handlers.seen(event);
    }
  }

  alerted(event) {
    this.#handlers.alert(event);
  }

  serverError({ message, code }) {
    if (code !== CANCELLED_TOO_LATE) {
      this.trouble("server_error", message, code);
    }
  }

  trouble(key, text, code) {
    this.#handlers.trouble(key, { text: text ?? "", code: code ?? "", calm: key === "notice" });
  }

  #show({ id, type, role, content, status }) {
    this.arrived(id);
    const text = (content ?? []).map((part) => part.transcript ?? part.text ?? "").join(" ");
    if (type !== "message" || role === "system" || !text) {
      return;
    }
    if (status === "in_progress") {
      this.#captions.append(id, role, text);
    } else {
      this.#captions.settle(id, role, text);
    }
  }

  #send(itemId, text) {
    this.#unconfirmed = { itemId, text };
    return this.#connection.send(typedMessage(itemId, text)) && this.#connection.send({ type: "response.create" });
  }

  #silence(responseId, itemId) {
    this.#player.flush(responseId, itemId);
    if (itemId) {
      this.#captions.markInterrupted(itemId);
    }
  }

  #reportEnd(response) {
    const details = response.status_details ?? {};
    if (response.status === "failed") {
      this.trouble("reply_failed", details.error?.message, details.error?.code);
    } else if (response.status === "incomplete") {
      this.trouble("reply_incomplete", "", details.reason);
    }
  }
}

const TAKES = {
  "input_audio_buffer.speech_started": (to, event) => to.userIs(event.item_id, true),
  "input_audio_buffer.speech_stopped": (to, event) => to.userIs(event.item_id, false),
  "input_audio_buffer.committed": (to, event) => to.userIs(event.item_id, false),
  "nova.transcript": (to, event) => to.userSaid(event.item_id, event.text, event.is_final === true),
  "conversation.item.input_audio_transcription.delta": (to, event) => to.userGoesOn(event.item_id, event.delta),
  "conversation.item.input_audio_transcription.completed": (to, event) => (
    to.userEnds(event.item_id, event.transcript)
  ),
  "conversation.item.input_audio_transcription.failed": (to, event) => to.userFails(event),
  "conversation.item.added": (to, event) => to.arrived(event.item.id),
  "nova.resumed": (to, event) => to.resumed(event),
  "response.created": (to, event) => to.replyBegins(event.response.id),
  "response.output_audio_transcript.delta": (to, event) => to.agentGoesOn(event),
  "response.output_audio_transcript.done": (to, event) => to.agentSaid(event.item_id, event.transcript),
  "response.output_text.delta": (to, event) => to.agentGoesOn(event),
  "response.output_text.done": (to, event) => to.agentSaid(event.item_id, event.text),
  "response.output_audio.delta": (to, event, payload) => to.agentSounds(event, payload),
  "response.output_audio.done": (to, event) => to.soundEnds(event.item_id),
  "response.done": (to, event) => to.replyEnds(event.response),
  "nova.flush": (to, event) => to.flush(event),
  "nova.hold": (to, event) => to.hold(event.held === true),
  "nova.state": (to, event) => to.serverState(event),
  "nova.metrics": (to, event) => to.measured(event),
  "nova.session": (to, event) => to.begins(event),
  "nova.vision": (to, event) => to.vision(event),
  "nova.alert": (to, event) => to.alerted(event),
  "nova.notice": (to, event) => to.trouble("notice", event.text, event.code),
  error: (to, event) => to.serverError(event.error ?? {}),
};
