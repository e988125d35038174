/* Fetches the parts of a page that were missing when the page was sent.

   This is a module, so that it runs once, after the page was parsed, however often the page
   names it. The placeholder of a part has all texts for people, in the language of the page. */

const PARTS = "[data-wsgifutures-part]";

/* A busy worker says how long to wait. The most waits for a part; the longest wait, in seconds. */
const MOST_WAITS = 5;
const LONGEST_WAIT = 60;

const parts = [...document.querySelectorAll(PARTS)];
const status = addStatusLine();
const underWay = new Map();
let arrived = 0;
let saying;

/* Screen readers read this line aloud. It is added before a part arrives: they watch only for
   changes of a line that they know. */
function addStatusLine() {
  const line = document.createElement("p");
  line.className = "wsgifutures-status";
  line.setAttribute("role", "status");
  document.body.append(line);
  return line;
}

/* The line is empty in between, so that screen readers repeat an equal text. */
function say(text) {
  clearTimeout(saying);
  status.textContent = "";
  saying = setTimeout(() => {
    status.textContent = text;
  }, 100);
}

/* Two parts with the same address are fetched once. */
function fetchOnce(address) {
  if (!underWay.has(address)) {
    const answer = ask(address, MOST_WAITS);
    underWay.set(address, answer);
    answer.finally(() => underWay.delete(address)).catch(() => {});
  }
  return underWay.get(address);
}

async function ask(address, waits) {
  const answer = await fetch(address, { credentials: "same-origin", redirect: "error" });
  const wait = secondsToWait(answer);
  if (waits && wait !== null && wait <= LONGEST_WAIT) {
    await new Promise((resolve) => setTimeout(resolve, (wait + Math.random()) * 1000));
    return ask(address, waits - 1);
  }
  return { status: answer.status, text: answer.ok ? await answer.text() : "" };
}

function secondsToWait(answer) {
  const after = answer.status === 503 ? answer.headers.get("Retry-After") : null;
  if (!after) {
    return null;
  }
  const seconds = Number(after);
  const wait = Number.isNaN(seconds) ? (Date.parse(after) - Date.now()) / 1000 : seconds;
  return Number.isNaN(wait) ? null : Math.max(0, wait);
}

class Part {
  constructor(place) {
    this.place = place;
    this.failed = place.querySelector("template[data-wsgifutures=failed]");
    this.gone = place.querySelector("template[data-wsgifutures=gone]");
  }

  async load() {
    this.place.setAttribute("aria-busy", "true");
    let answer;
    try {
      answer = await fetchOnce(this.place.dataset.wsgifuturesPart);
    } catch {
      answer = { status: 0 };
    }
    this.place.setAttribute("aria-busy", "false");
    if (answer.status === 200) {
      this.arrive(answer.text);
    } else {
      this.fail([403, 404, 410].includes(answer.status) ? this.gone : this.failed);
    }
  }

  arrive(text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    page.getElementById("protect-script")?.remove(); /* of plone.protect; the page has its own */
    this.show([...page.body.childNodes]);
    arrived += 1;
    say(this.place.dataset.arrived.replace("{n}", arrived).replace("{all}", parts.length));
    this.place.dispatchEvent(new CustomEvent("wsgifutures-arrived", { bubbles: true }));
    /* Let Plone's own scripts look at the new part. */
    window.jQuery?.(document).trigger("patterns-injected", [undefined, undefined, this.place]);
  }

  fail(template) {
    const again = this.place.querySelector("[data-wsgifutures=again]");
    if (again && template === this.failed) {
      again.removeAttribute("aria-disabled"); /* the button stays, and keeps the focus */
    } else {
      this.show([template.content.cloneNode(true)]);
      this.listen(this.place.querySelector("button"));
    }
    say(this.place.dataset.failed);
  }

  listen(button) {
    if (!button) {
      return;
    }
    button.dataset.wsgifutures = "again";
    button.addEventListener("click", () => {
      if (button.getAttribute("aria-disabled") !== "true") {
        button.setAttribute("aria-disabled", "true");
        this.load();
      }
    });
  }

  /* If the focus was on the button, it moves to the nodes that replace the button. */
  show(nodes) {
    const focused = this.place.contains(document.activeElement);
    this.place.replaceChildren(...nodes);
    if (focused) {
      this.place.tabIndex = -1;
      this.place.focus({ preventScroll: true });
    }
  }
}

parts.forEach((place) => new Part(place).load());
