"use strict";

// The server sends the part of the page that changes, escaped as the page itself was.
const shown = document.getElementById("shown");
const live = document.getElementById("live");

function say(words, mood) {
  live.textContent = words;
  live.className = mood;
}

function show(html) {
  // What was opened by hand stays open.
  const open = new Set([...shown.querySelectorAll("details[open]")].map((it) => it.dataset.name));
  shown.innerHTML = html;
  for (const it of shown.querySelectorAll("details")) {
    it.open = open.has(it.dataset.name);
  }
}

function listen() {
  const events = new EventSource("/events");
  events.onopen = () => say("live", "on");
  events.onmessage = (event) => show(event.data);
  events.onerror = () => {
    say("no connection: what is shown may be out of date", "off");
    // A browser tries again after a lost connection by itself, but not after a refusal.
    if (events.readyState === EventSource.CLOSED) {
      setTimeout(listen, 10000);
    }
  };
}

listen();
