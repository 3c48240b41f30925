"use strict";
// Rating, one item after the other. All texts come from data: only textContent is ever set.
(() => {
  const byId = (id) => document.getElementById(id);
  const config = JSON.parse(byId("config").textContent);
  const hidden = new RegExp(`(${config.hidden})\\1*`, "gu");
  const hiddenRun = new RegExp(`${config.hidden}+`, "gu");
  // More boxes than this in one text say nothing new, and would stop the browser.
  const BOXES = 500;
  let state = null;
  let at = null;
  let busy = true;
  const items = new Map();

  function node(name, content, className) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (content instanceof Node) made.append(content);
    else if (content !== undefined) made.textContent = content;
    return made;
  }

  function quoted(text) {
    const made = node("bdi");
    made.dir = "auto";
    const clean = text.replace(/\r\n/g, "\n");
    let from = 0;
    let boxes = 0;
    for (const found of clean.matchAll(hidden)) {
      boxes += 1;
      if (boxes > BOXES) break;
      made.append(clean.slice(from, found.index));
      from = found.index + found[0].length;
      const count = [...found[0]].length;
      const hex = found[1].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      made.append(node("span", `U+${hex}${count > 1 ? ` × ${count}` : ""}`, "hidden-char"));
    }
    made.append(clean.slice(from).replace(hiddenRun, "\ufffd"));
    return clean.trim() ? node("div", made, "text") : node("div", "(an empty text)", "empty");
  }

  // A region that scrolls must take the focus, or the keyboard cannot scroll it.
  function region(name, className, ...children) {
    const made = node("section", undefined, className);
    made.tabIndex = 0;
    made.setAttribute("aria-label", name);
    made.append(...children);
    return made;
  }

  // What a kind of item offers: choice, label, key that is shown, keys that are taken.
  const kinds = {
    pair: {
      name: "Pair",
      all: "All pairs are rated",
      choices: [
        ["left", "Left is better", "←", ["ArrowLeft", "1"], "main"],
        ["tie", "Tie", "0", ["0", "="]],
        ["both_bad", "Both bad", "b", ["b"]],
        ["right", "Right is better", "→", ["ArrowRight", "2"], "main"],
      ],
      draw(item) {
        const several = item.prompt.length > 1;
        const asked = item.prompt.flatMap((message) => [
          node("h2", several ? message.role : "Prompt", "pane-name"), quoted(message.content),
        ]);
        const panes = node("div", undefined, "panes");
        for (const [side, name] of [["left", "Left"], ["right", "Right"]]) {
          const made = region(`${name} answer`, "pane", node("h2", name, "pane-name"), quoted(item[side]));
          made.dataset.side = side;
          panes.append(made);
        }
        return [region("Prompt", "asked", ...asked), panes];
      },
      result: pairResult,
    },
  };
  const kind = kinds[config.kind];

  async function ask(path, body) {
    const sent = body === undefined ? {} : {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
    };
    let reply;
    try {
      reply = await fetch(path, sent);
    } catch {
      throw new Error("The command that serves this page has ended. Start it again to go on; " +
        "what was saved is still there.");
    }
    const value = await reply.json();
    if (!reply.ok) throw new Error(`Not done: ${value.error}.`);
    return value;
  }

  function item(place) {
    if (!items.has(place)) {
      const coming = ask(`item?at=${place}`);
      coming.catch(() => items.delete(place));
      items.set(place, coming);
    }
    return items.get(place);
  }

  const total = () => state.answers.length;
  const rated = () => state.answers.filter((each) => each !== null).length;
  const nextOpen = (from) => {
    const places = state.answers.map((_, place) => (from + place) % total());
    return places.find((place) => state.answers[place] === null) ?? null;
  };

  // One thing at a time: a key that is pressed twice must not answer the next item too.
  async function alone(work) {
    if (busy) return;
    busy = true;
    try {
      await work();
      byId("trouble").hidden = true;
    } catch (error) {
      byId("trouble").textContent = error.message;
      byId("trouble").hidden = false;
    } finally {
      busy = false;
    }
  }

  async function show(place, note) {
    if (state.result || place === null) {
      at = null;
      drawEnd();
      return;
    }
    const found = await item(place);
    at = place;
    byId("note").value = note || "";
    byId("item").className = "";
    byId("item").replaceChildren(...kind.draw(found));
    byId("panel").hidden = false;
    drawTop();
    scrollTo(0, 0);
    const after = nextOpen(place + 1);
    if (after !== null && after !== place) item(after).catch(() => {});
  }

  function drawTop() {
    const done = rated();
    byId("progress").max = total();
    byId("progress").value = done;
    const where = at === null ? "" : `${kind.name} ${at + 1} of ${total()}, `;
    byId("place").textContent = `${where}${done} rated`;
    byId("undo").disabled = state.last === null;
  }

  function answer(choice) {
    return alone(async () => {
      if (at === null) return;
      const place = at;
      const pane = document.querySelector(`[data-side="${choice}"]`);
      if (pane) pane.classList.add("chosen");
      document.activeElement.blur();
      try {
        state = await ask("answer", { at: place, answer: choice, note: byId("note").value });
      } catch (error) {
        if (pane) pane.classList.remove("chosen");
        throw error;
      }
      items.delete(place);
      await show(nextOpen(place + 1));
    });
  }

  function undo() {
    return alone(async () => {
      if (state.last === null || state.result) return;
      const place = state.last;
      const note = state.last_note;
      state = await ask("answer", { at: place, answer: null });
      await show(place, note);
    });
  }

  function finish() {
    return alone(async () => {
      if (at !== null || state.result) return;
      state = await ask("finish", {});
      drawEnd();
    });
  }

  function button(label, key, work, className) {
    const made = node("button", label, className);
    made.type = "button";
    if (key) made.append(" ", node("kbd", key));
    made.addEventListener("click", work);
    return made;
  }

  function drawEnd() {
    byId("panel").hidden = true;
    drawTop();
    byId("item").className = "told";
    if (state.result) {
      document.querySelector("h1").textContent = "Result";
      byId("item").replaceChildren(kind.result(state.result));
      return;
    }
    const end = node("div", undefined, "end-note");
    const actions = node("div", undefined, "actions");
    actions.append(
      button("Show the result", "Enter", finish, "main"),
      button("Undo the last answer", "u", undo),
    );
    end.append(
      node("h2", kind.all),
      node("p", "Every answer is saved. With the result the names are told, and nothing can be " +
        "changed any more."),
      actions,
    );
    byId("item").replaceChildren(end);
  }

  function shape(name, attributes, content) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
    if (content !== undefined) made.textContent = content;
    return made;
  }

  // The first maker's win rate on a line from 0 to 100 %, with its interval.
  function line(result) {
    const x = (share) => 520 * share;
    const picture = shape("svg", {
      viewBox: "0 0 520 54", role: "img",
      "aria-label": "The win rate and its interval, on a line from 0 to 100 %",
    });
    picture.append(
      shape("rect", { x: x(0), y: 14, width: 520, height: 10, rx: 2, class: "whole" }),
      shape("rect", { x: x(result.low), y: 14, width: x(result.high) - x(result.low), height: 10, rx: 2, class: "range" }),
      shape("line", { x1: x(0.5), x2: x(0.5), y1: 6, y2: 32, class: "half" }),
    );
    if (result.value !== null) {
      picture.append(shape("rect", { x: Math.min(Math.max(x(result.value) - 1.5, 0), 517), y: 9, width: 3, height: 20, rx: 1, class: "point" }));
    }
    for (const [share, anchor] of [[0, "start"], [0.5, "middle"], [1, "end"]]) {
      picture.append(shape("text", { x: x(share), y: 48, "text-anchor": anchor }, `${100 * share} %`));
    }
    return picture;
  }

  function pairResult(result) {
    const words = node("div");
    const [lead, judged, ...remarks] = result.sentences;
    words.append(node("p", inline(lead), "lead"));
    if (judged) words.append(node("p", inline(judged), "judged"));
    const axis = node("p", inline(`Win rate of ${result.names[0]}`), "pane-name");
    words.append(axis, line(result));
    remarks.forEach((text) => words.append(node("p", inline(text), "remark")));
    words.append(node("p", "All answers are saved. You can close this page.", "remark"));
    const counts = [
      [`${result.names[0]} is better`, result.wins], [`${result.names[1]} is better`, result.losses],
      ["Tie", result.ties], ["Both bad", result.both_bad], ["Rated", result.n],
      ["Skipped", result.skipped],
    ];
    const table = node("table");
    const rows = node("tbody");
    table.append(node("caption", "What was answered", "unseen"), rows);
    counts.forEach(([name, count]) => {
      const row = node("tr");
      const head = node("th", inline(name));
      head.scope = "row";
      row.append(head, node("td", count.toLocaleString("en")));
      rows.append(row);
    });
    const both = node("div", words, "result");
    both.append(node("div", table));
    return both;
  }

  const inline = (text) => node("bdi", text.replace(hidden, "\ufffd"));

  function taken(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !state) return null;
    if (event.target === byId("note")) {
      return event.key === "Escape" || event.key === "Enter" ? () => byId("note").blur() : null;
    }
    if (state.result) return null;
    if (event.key === "u") return undo;
    if (at === null) return event.key === "Enter" && event.target.tagName !== "BUTTON" ? finish : null;
    if (event.key === "n") return () => byId("note").focus();
    if (event.key === "s") return () => answer("skip");
    const choice = kind.choices.find(([, , , keys]) => keys.includes(event.key));
    return choice ? () => answer(choice[0]) : null;
  }

  document.addEventListener("keydown", (event) => {
    const work = taken(event);
    if (!work) return;
    event.preventDefault();
    work();
  });
  byId("choices").append(...kind.choices.map(([choice, label, key, , className]) =>
    button(label, key, () => answer(choice), className)));
  byId("noted").append(button("Skip", "s", () => answer("skip")));
  const back = button("Undo", "u", undo);
  back.id = "undo";
  byId("noted").append(back);
  busy = false;
  alone(async () => {
    state = await ask("state");
    await show(nextOpen(0));
  });
})();
