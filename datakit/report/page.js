"use strict";
// The table of records. All texts come from data: only textContent is ever set.
(() => {
  const byId = (id) => document.getElementById(id);
  const rows = JSON.parse(byId("data").textContent);
  const table = byId("records");
  const search = byId("search");
  const selects = ["status", "step", "reason", "topic", "lang"];
  const PAGE = 50;
  const tagNames = {
    near_limit: "near a limit of length",
    empty_output: "empty output",
    no_licence: "no known licence",
  };
  let tag = "";
  let sort = { key: "", down: false };
  let shown = PAGE;
  const open = new Set();
  const places = new Map();
  // As in records.py.
  const wellFormed = (text) => (text.toWellFormed ? text.toWellFormed() : text);
  const address = (id) => `#record-${encodeURIComponent(wellFormed(id))}`;

  rows.forEach((row, place) => {
    row.place = place;
    row.length = row.lengths[2];
    if (!places.has(address(row.id))) places.set(address(row.id), row);
    const words = [row.id, ...row.texts, row.reason, row.step, row.of || ""];
    row.words = [...words, ...row.parents, ...row.ancestors].join("\n").toLowerCase();
    row.words = row.words.replace(/[^\S\n]+/g, " ");
  });

  // The same characters as HIDDEN in errors.py.
  const hidden = new RegExp(
    "([\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f\\u00ad\\u061c\\u115f\\u1160\\u180e\\u200b" +
    "\\u200e\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ud800-\\udfff\\ufdd0-\\ufdef\\ufeff" +
    "\\uffa0\\ufff9-\\ufffb\\ufffe\\uffff\\u{e0000}-\\u{e0fff}])\\1*", "gu");

  function node(name, content, className) {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (content instanceof Node) made.append(content);
    else if (content !== undefined) made.textContent = content;
    return made;
  }

  function quoted(text, length) {
    const made = node("bdi");
    made.dir = "auto";
    const clean = text.replace(/\r\n/g, "\n");
    let at = 0;
    for (const found of clean.matchAll(hidden)) {
      made.append(clean.slice(at, found.index));
      const count = [...found[0]].length;
      const hex = found[1].codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
      made.append(node("span", `U+${hex}${count > 1 ? ` × ${count}` : ""}`, "hidden-char"));
      at = found.index + found[0].length;
    }
    made.append(clean.slice(at));
    const rest = (length || 0) - [...text].length;
    if (rest > 0) made.append(node("span", `… ${rest.toLocaleString("en")} more characters`, "more"));
    return made;
  }

  // Rounded down: only what is the same has 1.00.
  const rounded = (score) =>
    typeof score === "number" ? (Math.floor(score * 100) / 100).toFixed(2) : "";

  function recordLink(id) {
    if (!places.has(address(id))) return node("code", quoted(id + " "));
    const link = node("a", quoted(id));
    link.href = address(id);
    return link;
  }

  function term(list, name, content, className) {
    list.append(node("dt", name), node("dd", content, className));
  }

  function links(ids) {
    const made = node("span");
    ids.forEach((id) => made.append(recordLink(id)));
    return made;
  }

  function details(row) {
    const texts = node("dl");
    const list = node("dl", undefined, "values");
    ["instruction", "input", "output"].forEach((name, at) => {
      if (row.texts[at]) term(texts, name, quoted(row.texts[at], row.lengths[at]), "text");
    });
    if (row.rival) {
      const rival = row.rival.filter(Boolean).join("\n");
      term(texts, "the other record", quoted(rival), "text");
    }
    if (row.status === "dropped") term(list, "dropped by", quoted(`${row.step}: ${row.reason}`));
    if (row.of) term(list, row.rival ? "compared with" : "of", recordLink(row.of));
    if (typeof row.score === "number") term(list, "score", row.score.toFixed(4));
    (row.evidence || []).forEach(([name, value]) => term(list, quoted(name), quoted(value)));
    if (row.parents.length) term(list, "parents", links(row.parents));
    if (row.ancestors.length) term(list, "ancestors", links(row.ancestors));
    if (row.status === "kept" && row.step) term(list, "step", quoted(row.step));
    if (row.lang) term(list, "language", quoted(row.lang));
    row.meta.forEach(([name, value]) => term(list, quoted(name), quoted(value)));
    const both = node("div", texts, "sides");
    both.append(list);
    return both;
  }

  function chosen() {
    const wanted = search.value.trim().toLowerCase().replace(/\s+/g, " ");
    const found = rows.filter((row) =>
      selects.every((name) => !byId(name).value || row[name] === byId(name).value) &&
      (!tag || row.tags.includes(tag)) && row.words.includes(wanted));
    if (!sort.key) return found;
    const value = (row) => row[sort.key] ?? -1;
    const order = (a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : a.place - b.place);
    return found.sort((a, b) => (sort.down ? -order(a, b) : order(a, b)));
  }

  const columns = [
    ["id", "record", "id"], ["status", "status", "status"], ["", "instruction", ""],
    ["", "output", ""], ["reason", "step, reason", "why"], ["length", "output", "number"],
    ["score", "score", "number"],
  ];

  function head() {
    const line = node("tr");
    columns.forEach(([key, name, className], at) => {
      const cell = node("th", undefined, className);
      cell.scope = "col";
      if (!key) cell.textContent = name;
      else {
        const button = node("button", at === 5 ? "length" : name);
        button.type = "button";
        button.addEventListener("click", () => {
          sort = { key, down: sort.key === key && !sort.down };
          draw();
        });
        cell.append(button);
        cell.dataset.key = key;
      }
      line.append(cell);
    });
    table.append(node("thead", line), node("tbody"));
  }

  function body(row) {
    const line = node("tr", undefined, `row ${row.status}`);
    const button = node("button", quoted(row.id.slice(0, 16) || "(no id)"));
    button.type = "button";
    const isOpen = open.has(row.place);
    button.id = `row-${row.place}`;
    button.setAttribute("aria-expanded", String(isOpen));
    const why = row.status === "dropped" ? `${row.reason} (${row.step})` : row.step || "seed or source";
    const cells = [button, row.status, quoted(row.texts[0].slice(0, 160)),
      quoted(row.texts[2].slice(0, 160)), quoted(why), row.length.toLocaleString("en"),
      rounded(row.score)];
    cells.forEach((content, at) => {
      const isText = at === 2 || at === 3;
      line.append(node("td", isText ? node("div", content, "cut") : content, columns[at][2]));
    });
    line.addEventListener("click", (event) => {
      if (String(getSelection())) return;
      event.preventDefault();
      toggle(row, !open.has(row.place));
    });
    return isOpen ? [line, opened(row)] : [line];
  }

  function opened(row) {
    const cell = node("td", details(row));
    cell.colSpan = columns.length;
    return node("tr", cell, "opened");
  }

  function toggle(row, isOpen) {
    const button = byId(`row-${row.place}`);
    const line = button.closest("tr");
    if (isOpen === open.has(row.place)) return;
    button.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) {
      open.add(row.place);
      line.after(opened(row));
    } else {
      open.delete(row.place);
      line.nextElementSibling.remove();
    }
  }

  function draw() {
    const found = chosen();
    table.tBodies[0].replaceChildren(...found.slice(0, shown).flatMap(body));
    byId("count").textContent =
      `${found.length} of ${rows.length} records of the sample` +
      (found.length > shown ? `, the first ${shown} below` : "");
    byId("more").hidden = found.length <= shown;
    const chip = byId("tag");
    chip.hidden = !tag;
    chip.textContent = tagNames[tag] || tag;
    table.querySelectorAll("th[data-key]").forEach((cell) => {
      if (cell.dataset.key !== sort.key) cell.removeAttribute("aria-sort");
      else cell.setAttribute("aria-sort", sort.down ? "descending" : "ascending");
    });
  }

  function filter(wanted) {
    search.value = wanted.query || "";
    selects.forEach((name) => { byId(name).value = wanted[name] || ""; });
    tag = wanted.tag || "";
    shown = PAGE;
    draw();
  }

  function visit() {
    const row = places.get(location.hash);
    if (!row) return;
    if (!byId(`row-${row.place}`)) {
      filter({});
      shown = rows.length;
      draw();
    }
    toggle(row, true);
    const button = byId(`row-${row.place}`);
    button.scrollIntoView({ block: "center" });
    button.focus({ preventScroll: true });
  }

  selects.forEach((name) => {
    const values = [...new Set(rows.map((row) => row[name]))].filter(Boolean).sort();
    values.forEach((value) => {
      const option = node("option", value.replace(hidden, "\ufffd"));
      option.value = value;
      byId(name).append(option);
    });
    byId(name).closest("label").hidden = values.length < 2;
    byId(name).addEventListener("change", () => { shown = PAGE; draw(); });
  });
  search.addEventListener("input", () => { shown = PAGE; draw(); });
  byId("clear").addEventListener("click", () => filter({}));
  byId("more").addEventListener("click", () => { shown += PAGE; draw(); });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a.show");
    if (link) filter(link.dataset);
    const record = event.target.closest('a[href^="#record-"]');
    // A second click on the same link changes no hash.
    if (record && record.hash === location.hash) visit();
  });
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      search.focus();
    }
  });
  addEventListener("hashchange", visit);
  head();
  draw();
  visit();
})();
