// Shows how long the browser waited for this page.
"use strict";

window.addEventListener("load", () => {
  const output = document.getElementById("took");
  const [navigation] = performance.getEntriesByType("navigation");
  if (output && navigation) {
    const seconds = (navigation.responseEnd - navigation.requestStart) / 1000;
    output.textContent = `${seconds.toFixed(2)} s`;
  }
});
