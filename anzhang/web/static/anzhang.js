// Keyboard shortcuts, the help dialog, printing. Every page reads and works without this file.
"use strict";

document.documentElement.classList.add("js");

const places = { h: "home", b: "board", t: "todo", r: "registers", f: "findings", s: "search", l: "ledger", i: "inbox" };
let pending = false;

function typing(target) {
  return target.isContentEditable || ["INPUT", "SELECT", "TEXTAREA"].includes(target.tagName);
}

function open(place) {
  const link = document.querySelector(`a[data-place="${place}"]`);
  if (link) link.click();
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
  if (pending) {
    pending = false;
    if (event.key in places) {
      event.preventDefault();
      open(places[event.key]);
    }
    return;
  }
  const help = document.getElementById("help");
  if (event.key === "g") {
    pending = true;
    setTimeout(() => { pending = false; }, 1500);
  } else if (event.key === "/") {
    const field = document.querySelector("main input[type=search]");
    event.preventDefault();
    if (field) field.focus();
    else open("search");
  } else if (event.key === "?" && help) {
    event.preventDefault();
    if (help.open) help.close();
    else help.showModal();
  }
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-print]")) window.print();
  if (event.target.closest("[data-help]")) document.getElementById("help").showModal();
});
