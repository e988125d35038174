// Shows a question above its answer, and keeps the exchanges before.
"use strict";

(() => {
  const form = document.getElementById("futures-chat-form");
  const exchange = document.querySelector(".futures-exchange");
  const question = exchange.querySelector(".futures-question");

  function make(name, className, text) {
    const element = document.createElement(name);
    element.className = className;
    element.textContent = text;
    return element;
  }

  form.addEventListener("submit", () => {
    const answer = exchange.querySelector(".wsgifutures-stream-text, .futures-answer");
    if (!question.hidden && answer) {
      const earlier = make("div", "futures-exchange", "");
      earlier.append(
        make("p", "futures-question", question.textContent),
        make("p", "futures-answer", answer.textContent),
      );
      exchange.before(earlier);
    }
    question.textContent = form.elements.question.value;
    question.hidden = false;
    setTimeout(() => form.reset()); // when the element has read it
  });
})();
