/* <wsgifutures-stream src="…">: shows the words of a stream as they come.

   The answer of src is text or server-sent events. Whoever sees the page reads each word when it
   is there; screen readers hear whole sentences. Words get into the page as text, never as HTML.
   The texts for people are data- attributes, in the language of the page. */

const TEXTS = {
  loading: "Loading",
  stop: "Stop",
  again: "Try again",
  resume: "Continue",
  complete: "The text is complete.",
  stopped: "You have stopped it. The text is not complete.",
  broken: "The connection was lost. The text is not complete.",
  failed: "Something went wrong. The text is not complete.",
  late: "It took too long. The text is not complete.",
  closing: "The server is being stopped. The text is not complete.",
  cancelled: "An administrator has ended it. The text is not complete.",
  unreachable: "The server cannot be reached.",
  forbidden: "You may not see this. Perhaps you have to log in again.",
  busy: "The server is busy. Try again in {n} seconds.",
  refused: "The text could not be loaded.",
};

/* What the event "error" says, and our word for it. */
const REASONS = { timeout: "late", stopped: "closing", cancelled: "cancelled" };

/* Letters that are said at once even if they are no whole sentence. */
const LONGEST_SENTENCE = 1000;

/* Milliseconds until screen readers know a live region: they say only what changes in it then. */
const KNOWN = 200;

/* Milliseconds after the end for which what was said is kept for screen readers. */
const KEPT = 5000;

/* Something that ends a stream, with our word for it. */
class Ended extends Error {
  constructor(state, n) {
    super(state);
    this.state = state;
    this.n = n;
  }
}

/* Cuts text that comes in pieces into sentences. */
class Sentences {
  constructor(language) {
    this.rest = "";
    try {
      this.segmenter = new Intl.Segmenter(language || undefined, { granularity: "sentence" });
    } catch {
      this.segmenter = null; /* an old browser, or a language that is none */
    }
  }

  /* Return the sentences that are whole now. */
  take(piece) {
    const parts = this.split(this.rest + piece);
    this.rest = parts.pop() ?? "";
    if (this.rest.length > LONGEST_SENTENCE) {
      const end = this.rest.lastIndexOf(" ") + 1 || this.rest.length;
      parts.push(this.rest.slice(0, end));
      this.rest = this.rest.slice(end);
    }
    return parts;
  }

  /* Return what is left at the end. */
  takeRest() {
    const { rest } = this;
    this.rest = "";
    return [rest];
  }

  split(text) {
    if (this.segmenter) {
      return [...this.segmenter.segment(text)].map((one) => one.segment);
    }
    return text.match(/[^]+?(?:[.!?…]["'”»)\]]*\s+|[。！？\n]|$)/g) ?? [];
  }
}

/* Reads server-sent events out of text that comes in pieces. */
class Events {
  constructor() {
    this.rest = "";
    this.lastId = null;
    this.clear();
  }

  clear() {
    this.name = "";
    this.data = [];
  }

  /* Return the events that are whole now. */
  take(piece) {
    const lines = (this.rest + piece).split(/\r\n|\n|\r(?!$)/); /* "\r" may be half of "\r\n" */
    this.rest = lines.pop();
    return lines.map((line) => this.takeLine(line)).filter(Boolean);
  }

  takeLine(line) {
    if (line === "") {
      const event = this.data.length && { name: this.name, data: this.data.join("\n") };
      this.clear();
      return event;
    }
    const [, field, value] = line.match(/^([^:]*):? ?(.*)$/s);
    if (field === "data") {
      this.data.push(value);
    } else if (field === "event") {
      this.name = value;
    } else if (field === "id" && !value.includes("\0")) {
      this.lastId = value;
    }
    return null;
  }
}

function secondsToWait(answer) {
  const after = answer.status === 503 ? answer.headers.get("Retry-After") : null;
  const seconds = Number(after);
  const wait = Number.isNaN(seconds) ? (Date.parse(after) - Date.now()) / 1000 : seconds;
  return after && !Number.isNaN(wait) ? Math.max(2, Math.ceil(wait)) : null;
}

/* Return the kind of an answer; throw what ends the stream if it is not one of a stream. */
function kindOf(answer) {
  if (answer.type === "opaqueredirect" || [401, 403].includes(answer.status)) {
    throw new Ended("forbidden"); /* Plone sends to its login form whoever may not */
  }
  const wait = secondsToWait(answer);
  if (wait) {
    throw new Ended("busy", wait);
  }
  const [kind] = (answer.headers.get("Content-Type") ?? "").split(";");
  if (!answer.ok || !["text/plain", "text/event-stream"].includes(kind.trim())) {
    throw new Ended("refused");
  }
  return kind.trim();
}

/* Return the pieces of a body as text, as they come. */
async function* piecesOf(body) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  for (;;) {
    const { done, value } = await reader.read();
    const piece = decoder.decode(value, { stream: !done });
    if (piece) {
      yield piece;
    }
    if (done) {
      return;
    }
  }
}

function make(name, className, attributes = {}) {
  const element = document.createElement(name);
  element.className = className;
  for (const [key, value] of Object.entries(attributes)) {
    element.setAttribute(key, value);
  }
  return element;
}

class Stream extends HTMLElement {
  static observedAttributes = ["src"];

  connectedCallback() {
    document.addEventListener("submit", this);
    window.addEventListener("pagehide", this);
    this.begin();
  }

  /* An element that is only moved goes on. */
  disconnectedCallback() {
    queueMicrotask(() => {
      if (!this.isConnected) {
        document.removeEventListener("submit", this);
        window.removeEventListener("pagehide", this);
        this.stop();
      }
    });
  }

  attributeChangedCallback() {
    if (this.isConnected) {
      this.begin();
    }
  }

  begin() {
    const src = this.getAttribute("src");
    if (src && src !== this.begun && !this.hasAttribute("form")) {
      this.begun = src;
      this.start(src, {});
    }
  }

  handleEvent(event) {
    if (event.type === "pagehide") {
      this.stop(); /* the browser may keep the page, with its connection */
    } else {
      this.send(event);
    }
  }

  /* The form that form= names is sent to src, and the page stays. */
  send(event) {
    const form = event.target;
    const id = this.getAttribute("form");
    if (event.defaultPrevented || !id || form.getAttribute("id") !== id) {
      return;
    }
    event.preventDefault();
    const data = new FormData(form, event.submitter);
    const src = new URL(this.getAttribute("src"), document.baseURI);
    if (form.getAttribute("method")?.toLowerCase() === "post") {
      const isMultipart = form.getAttribute("enctype") === "multipart/form-data";
      this.start(src, { method: "POST", body: isMultipart ? data : new URLSearchParams(data) });
    } else {
      new URLSearchParams(data).forEach((value, name) => src.searchParams.append(name, value));
      this.start(src, {});
    }
  }

  start(src, options) {
    this.asked = [src, options];
    this.lastId = null;
    this.empty();
    this.run();
  }

  /* End it: the server closes its generator. */
  stop() {
    if (this.controller) {
      this.controller.abort();
      this.controller = null;
      this.finish(new Ended("stopped"));
    }
  }

  async run() {
    const mine = new AbortController();
    this.controller?.abort();
    this.controller = mine;
    this.show("loading", this.textOf("loading"));
    this.say([this.textOf("loading")]);
    let end;
    try {
      end = await this.read(mine.signal);
    } catch (error) {
      end = error instanceof Ended ? error : new Ended("broken");
    }
    if (this.controller === mine) {
      this.controller = null;
      if (end.state !== "complete") {
        mine.abort(); /* what may still come is not wanted */
      }
      this.finish(end);
    }
  }

  async read(signal) {
    const answer = await this.ask(signal);
    const events = kindOf(answer) === "text/event-stream" ? new Events() : null;
    for await (const piece of piecesOf(answer.body)) {
      if (signal.aborted) {
        break;
      }
      if (events) {
        this.takeEvents(events, piece);
      } else {
        this.add(piece);
      }
    }
    return new Ended(events ? "broken" : "complete"); /* events have one for their end */
  }

  async ask(signal) {
    const [src, options] = this.asked;
    const headers = { Accept: "text/event-stream, text/plain" };
    if (this.lastId) {
      headers["Last-Event-ID"] = this.lastId;
    }
    const how = { cache: "no-store", credentials: "same-origin", redirect: "manual" };
    try {
      return await fetch(src, { ...how, ...options, headers, signal });
    } catch {
      throw new Ended("unreachable");
    }
  }

  takeEvents(events, piece) {
    const whole = events.take(piece);
    this.lastId = events.lastId ?? this.lastId;
    for (const { name, data } of whole) {
      if (name === "end") {
        throw new Ended("complete");
      } else if (name === "error") {
        throw new Ended(REASONS[data] ?? "failed");
      } else if (name === "" || name === "message") {
        this.add(data);
      }
    }
  }

  add(piece) {
    this.words.appendData(piece);
    if (this.dataset.state !== "growing") {
      this.show("growing", "");
    }
    this.say(this.sentences.take(piece));
  }

  /* The text is a text like any other from now on. */
  finish({ state, n }) {
    const text = this.textOf(state).replace("{n}", n);
    this.show(state, state === "complete" ? "" : text);
    this.say([...this.sentences.takeRest(), text]);
    this.forgetting = setTimeout(() => this.said.replaceChildren(), KEPT);
    this.dispatchEvent(new CustomEvent("wsgifutures-stream-end", { bubbles: true }));
  }

  textOf(name) {
    return this.dataset[name] ?? TEXTS[name];
  }

  /* Have an empty text, and what belongs to it. */
  empty() {
    if (!this.text) {
      this.make();
    }
    clearTimeout(this.forgetting);
    this.words = document.createTextNode("");
    this.text.replaceChildren(this.words);
    this.said.replaceChildren();
    this.sentences = new Sentences(this.closest("[lang]")?.lang);
  }

  make() {
    this.text = make("div", "wsgifutures-stream-text");
    this.bar = make("p", "wsgifutures-stream-bar");
    const sign = make("span", "spinner-border spinner-border-sm", { "aria-hidden": "true" });
    this.message = make("span", "wsgifutures-stream-message");
    this.stopping = this.makeButton(() => this.stop());
    this.again = this.makeButton(() => this.tryAgain());
    this.said = make("div", "wsgifutures-stream-said", { role: "log" });
    this.known = new Promise((resolve) => setTimeout(resolve, KNOWN));
    this.bar.append(sign, this.message, this.stopping, this.again);
    this.replaceChildren(this.text, this.bar, this.said);
  }

  makeButton(act) {
    const button = make("button", "btn btn-secondary btn-sm", { type: "button" });
    button.addEventListener("click", act);
    return button;
  }

  tryAgain() {
    if (this.lastId) {
      clearTimeout(this.forgetting);
      this.run();
    } else {
      this.start(...this.asked);
    }
  }

  /* Screen readers leave out the text while it grows, so that nothing is heard twice. */
  show(state, message) {
    const grows = ["loading", "growing"].includes(state);
    const focused = document.activeElement;
    this.dataset.state = state;
    this.text.setAttribute("aria-hidden", grows);
    this.message.textContent = message;
    this.stopping.textContent = this.textOf("stop");
    this.again.textContent = this.textOf(this.lastId ? "resume" : "again");
    this.stopping.hidden = !grows;
    this.again.hidden = grows || state === "complete";
    this.bar.hidden = state === "complete";
    if (this.bar.contains(focused) && (focused.hidden || this.bar.hidden)) {
      this.tabIndex = -1; /* the button that had the focus has gone */
      this.focus({ preventScroll: true });
    }
  }

  /* Have screen readers say sentences. */
  say(sentences) {
    const texts = sentences.map((one) => one.trim()).filter(Boolean);
    const lines = texts.map((text) => Object.assign(make("p", ""), { textContent: text }));
    this.known.then(() => this.said.append(...lines));
  }
}

if (!customElements.get("wsgifutures-stream")) {
  customElements.define("wsgifutures-stream", Stream);
}
