// The hand sheet in the page: boxes to fill, checked on demand or as they are filled. engine.js judges, data.js holds
// what a sheet is made of; this file shows it wherever a page has
//     <div class="live-sheet" data-form="sora" data-steps="encoder noise" data-whole="01_sheet.html"></div>
// data-steps: which steps ("after_decode": that step after the update; "after": all of those; "all"); without it the
// whole sheet, with its tool bar. data-whole: where that is. All boxes of a form in one page show one sheet; the page's
// address holds the first whole one.
(function () {
  "use strict";
  const engine = window.ditcourseSheet, data = window.ditcourseSheets;
  if (!engine || !data) return;  // then the page's own words stay in the box

  // --- small tools -----------------------------------------------------------------------------------------------
  function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes))
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else if (name === "html") node.innerHTML = value;
      else if (value !== false && value !== undefined) node.setAttribute(name, value === true ? "" : value);
    node.append(...children);
    return node;
  }
  const button = (text, press, attributes = {}) =>
    make("button", { type: "button", ...attributes, onclick: press }, text);
  const say = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const sayHtml = (node, html) => {  // what is read out is touched only where it changes
    if (node.said !== html) node.innerHTML = node.said = html;
  };
  const escape = (text) => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
  // W_enc with a small enc, as on paper; in captions other names of one letter stand out too
  const named = (text) => escape(text).replace(/\b([A-Za-z])_([A-Za-z]+)\b/g, "<var>$1</var><sub>$2</sub>");
  const caption = (text) => named(text).replace(/(^|\s)([A-Z]|[a-z](?=,|$))(?=[\s,]|$)/g, "$1<var>$2</var>");
  const isSymbol = (name) => /^[A-Za-z](_[A-Za-z]+)?$/.test(name);
  const short = (part, name) => (isSymbol(name) && !part.after ? name : part.about.replace(/^the /, ""));
  const minus = (text) => text.replace("-", "−");
  const many = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
  const namesIn = (formula) =>
    Array.isArray(formula) ? formula.slice(1).flatMap(namesIn) : typeof formula === "string" ? [formula] : [];
  const store = {  // a browser may be set to keep nothing: the sheet works all the same
    get(name) { try { return localStorage.getItem(`ditcourse-sheet-${name}`); } catch (error) { return null; } },
    set(name, text) { try { localStorage.setItem(`ditcourse-sheet-${name}`, text); } catch (error) { /* not kept */ } },
  };

  function open(name, boxes, addressed) {
    const form = data.forms[name], parts = form.parts, instances = form.instances || data.instances;
    const about = data.forms[form.of];  // the form whose solved sheet this one is about
    const partOf = Object.fromEntries(parts.map((part) => [part.name, part]));
    const stepOf = (part) => (part.after ? "after_" : "") + part.step, steps = [...new Set(parts.map(stepOf))];
    const last = Object.keys(instances).length - 1, whole = boxes.some((box) => !box.dataset.steps);

    let number = 0, half = false, cells = {};  // the sheet: its number, and {part: rows of texts as they were typed}
    let values, key, printed, timer;  // what follows from it
    let asTyped = store.get("as-typed") === "yes";
    const checked = new Map();  // parts whose signs are shown, with what stood there and before when it was asked for
    const tools = [];  // what to bring up to date after a change: in the tool bar, in the steps
    let live = [], views = [], places = new Map();  // views: the cells of each matrix; places: where each cell is

    // --- the sheet's cells -----------------------------------------------------------------------------------------
    const isPrinted = (part, i) => printed.includes(part.name) || i < (part.printed || 0);
    const toFill = (part) => sum(part.rows.map((_, i) => (isPrinted(part, i) ? 0 : part.columns.length)));
    function typed(part, i, j) {
      if (isPrinted(part, i)) return engine.cellText(key[part.name][i][j]);
      return cells[part.name] ? cells[part.name][i][j] : "";
    }
    const value = (part, i, j) => engine.cellNumber(typed(part, i, j));
    const isMarked = (part, i, j) => ![null, 0].includes(value(part, i, j));
    const left = (part) =>
      sum(part.rows.map((_, i) => part.columns.filter((_, j) => value(part, i, j) === null).length));
    function numbers() {
      const here = asTyped && places.get(document.activeElement);  // "-" on its way to "-2" is not wrong yet
      const started = (name, i, j) => here && here.part.name === name && here.i === i && here.j === j;
      const cell = (text, name, i, j) =>
        typeof engine.cellNumber(text) === "string" && started(name, i, j) ? null : engine.cellNumber(text);
      return Object.fromEntries(Object.entries(cells).map(([name, rows]) =>
        [name, rows.map((row, i) => row.map((text, j) => cell(text, name, i, j)))]));
    }
    function write(part, i, j, text) {
      const rows = cells[part.name] = cells[part.name] || part.rows.map(() => part.columns.map(() => ""));
      if (rows[i][j] === text) return;
      rows[i][j] = text;
      store.set(`${name}-${number}-before`, "");  // the offer to go back holds until the next edit
      save();
      refresh();
    }
    function mark(part, i, j) {  // the marks of a column say what stands in it; two of them settle its zeros too
      const marks = part.rows.map((_, k) => isMarked(part, k, j) !== (k === i));
      const enough = marks.filter(Boolean).length >= 2;
      marks.forEach((yes, k) => write(part, k, j, yes ? "1/2" : enough ? "0" : ""));
    }

    // --- keeping it: in this browser, number by number, and in the address of the whole sheet's page -----------------
    function link() {
      const filled = parts.filter((part) => cells[part.name]).map((part) => [part.name, cells[part.name]]);
      return engine.writeLink({ cells: Object.fromEntries(filled), seed: number, half });
    }
    const read = (text) => (text ? engine.readLink(text, parts) : { cells: {}, seed: 0, half: false });
    function load(to) {
      number = to;
      checked.clear();
      ({ cells, half } = read(""));
      const kept = store.get(`${name}-${to}`);
      try { ({ cells, half } = read(kept)); } catch (error) { store.set(`${name}-${to}-before`, kept); }
    }
    function save() {
      store.set(`${name}-${number}`, link());
      store.set(name, number);
      if (!addressed) return;
      clearTimeout(timer);
      timer = setTimeout(() => {
        const address = location.href.split("#")[0] + (link() && "#") + link();
        try { history.replaceState(history.state, "", address); } catch (error) { /* the next change writes it */ }
      }, 200);
    }
    function show() {  // after another number, another half, other cells
      save();
      build();
    }
    function start() {  // what the address holds goes before what this browser keeps; neither is lost
      const fragment = addressed && location.hash.includes("=") ? location.hash.slice(1) : "";
      const stored = store.get(name), kept = stored === null ? form.first || 0 : Number(stored);
      load(whole && kept in instances ? kept : 0);
      try {
        const linked = read(fragment);
        if (!(linked.seed in instances))
          throw new Error(`This link asks for sheet ${linked.seed}; the last one is ${last}.`);
        if (fragment) {
          load(linked.seed);
          if (!holds(linked.cells)) {
            if (engine.writeLink({ cells })) offerBack("Opened from the link.");
            cells = linked.cells;
          }
          half = linked.half;
        }
        if (fragment || !location.hash) save();
        const before = store.get(`${name}-${number}-before`);
        if (whole && before && before !== link() && !news.firstChild) offerBack("Something else stood here before.", before);
      } catch (error) {
        notice(`${error.message} Your own sheet is as it was.`);
      }
      build();
      const wanted = whole && store.get(`${name}-step`);  // from a step in the chapter
      if (wanted) {
        store.set(`${name}-step`, "");
        goTo(wanted);
      }
    }
    function goTo(id) {
      const section = document.querySelector(`.live-sheet[data-form="${name}"] [data-step="${id}"]`);
      const first = section && section.querySelector("td input, td button");
      if (section) section.scrollIntoView({ block: "start" });
      if (first) first.focus({ preventScroll: true });
    }
    function holds(others) {  // all of these cells are here, and perhaps more
      const same = (a, b) => !a.trim() || engine.cellNumber(a) === engine.cellNumber(b);
      return Object.entries(others).every(([name, rows]) =>
        rows.every((row, i) => row.every((text, j) => same(text, cells[name] ? cells[name][i][j] : ""))));
    }
    function offerBack(says, before = link()) {
      store.set(`${name}-${number}-before`, before);
      notice(says, button("Back to what was here", () => {
        ({ cells, half } = read(before));
        checked.clear();
        notice("Here it is again.");
        show();
      }));
    }
    const news = make("p", { class: "notice", role: "status" });
    const notice = (...said) => news.replaceChildren(...said);

    // --- checking ----------------------------------------------------------------------------------------------------
    // The numbers of a part and of all that go into it. While they stay, what was found stays true.
    const intoOf = {};
    for (const part of parts) {
      const before = namesIn(part.formula).filter((other) => partOf[other]);
      intoOf[part.name] = [...new Set([part.name, ...before.flatMap((other) => intoOf[other])])];
    }
    const numbersInto = (name) => JSON.stringify(intoOf[name].map((other) =>
      (cells[other] || []).map((row) => row.map(engine.cellNumber))));
    const isSeen = (name) => asTyped || (checked.has(name) && checked.get(name) === numbersInto(name));
    function check(names) {
      names.forEach((name) => checked.set(name, numbersInto(name)));
      refresh();
    }
    function refresh() {
      const judged = asTyped || checked.size ? engine.judge(parts, values, numbers(), printed) : {};
      const reports = Object.fromEntries(parts.map((part) => {
        const seen = isSeen(part.name);
        const report = { seen, all: toFill(part), left: left(part), wrong: [], follows: [] };
        return [part.name, { ...report, ...(seen && judged[part.name]) }];
      }));
      [...live, ...tools].forEach((update) => update(reports));
    }
    function sign(part, report, i, j) {
      const among = (list) => list.some(([row, column]) => row === i && column === j), cell = value(part, i, j);
      if (!report.seen || cell === null) return "";
      if (among(report.wrong)) return "wrong";
      return typeof cell === "string" ? "" : among(report.follows) ? "follows" : "right";
    }
    function state({ seen, all, left, wrong }) {
      if (!all) return ["given", "given on the half sheet"];
      if (seen && wrong.length) return ["wrong", `${many(wrong.length, "cell")} to look at`];
      if (left) return [left < all ? "begun" : "", `${left} of ${many(all, "cell")} left`];
      return seen ? ["right", "right"] : ["full", "filled in, not checked"];
    }
    function verdict(part, { seen, all, left, wrong, follows, text }) {
      if (!seen || !all) return "";
      const called = (all, lead, name) => (partOf[name] ? lead + short(partOf[name], name) : all);
      if (wrong.length)
        return text.replace(/^(In )(\w+)/, called).replace(/(it began earlier, in )(\w+)/g, called)
          .replace("that is not a number", () => `“${typed(part, ...wrong[0]).trim()}” is not a number`);
      if (left) return asTyped ? "" : left < all ? "Right so far." : "Nothing to check yet.";
      return follows.length ? "Right: what has a ↳ follows from your own earlier numbers." : "Right.";
    }

    // --- matrices ----------------------------------------------------------------------------------------------------
    // over a column stands its name, or a number of the sheet that goes by columns too: z = -1, 0, 1 ...
    const headOf = (part, j) =>
      (part.heads ? minus(engine.cellText(values[part.heads][0][j])) : part.columns[j]);
    function spoken(part, name, i, j) {  // "L, row 1, column F2"
      const row = /^\S{1,2}$/.test(part.rows[i]) && !part.frames ? `row ${part.rows[i]}` : part.rows[i];
      const column = part.frames ? part.columns[j] : part.heads ? `${part.heads} = ${headOf(part, j)}` : `column ${part.columns[j]}`;
      const place = [...(part.rows.length > 1 ? [row] : []), ...(part.columns.length > 1 ? [column] : [])];
      return [short(part, name), ...place].join(", ");
    }
    function matrix(says, part, kind, cell) {  // cell(i, j) makes a td
      if (part.frames) return pictures(says, part, kind, cell);
      const wide = part.columns.length > 1, high = part.rows.length > 1 || part.heads;
      const head = make("tr", {}, ...(high ? [make("td", {}, part.heads ? `${part.heads} =` : "")] : []),
        ...part.columns.map((_, j) => make("th", { scope: "col" }, headOf(part, j))));
      const body = part.rows.map((text, i) => make("tr", {},
        ...(high ? [make("th", { scope: "row" }, text)] : []), ...part.columns.map((_, j) => cell(i, j))));
      const table = make("table", { class: `matrix ${kind} ${wide || high ? "" : "single"} ${part.columns.length > 5 ? "many" : ""}` },
        make("caption", { html: caption(says) }), ...(wide ? [make("thead", {}, head)] : []),
        make("tbody", {}, ...body));
      const box = make("div", { class: "named", "data-says": says }, table);  // keeps the caption's width free
      if (part.columns.length < 5) return box;
      const label = `${says}: scrolls sideways`;
      return make("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": label }, box);
    }
    function pictures(says, part, kind, cell) {  // each row is a picture of 2 x 2
      const tables = part.rows.map((text, i) => make("table", { class: "matrix pixels" }, make("caption", {}, text),
        make("tbody", {}, ...[0, 2].map((j) => make("tr", {}, cell(i, j), cell(i, j + 1))))));
      return make("div", { class: `pictures ${kind}`, role: "group", "aria-label": says },
                  make("p", { html: caption(says) }), make("div", {}, ...tables));
    }
    function paint(node, text) {  // 0 is black, 9 is white
      const number = engine.cellNumber(text), known = typeof number === "number";
      const grey = Math.round(255 * Math.min(9, Math.max(0, number)) / 9);
      node.style.background = known ? `rgb(${grey}, ${grey}, ${grey})` : "";
      node.style.color = known ? (grey < 117 ? "#fff" : "#000") : "";
    }
    function readOnly(part, text) {
      const td = make("td", { class: "given" });
      live.push(() => {
        say(td, minus(text()));
        if (part.frames) paint(td, text());
      });
      return td;
    }
    function beside(name, used) {  // a given, or a matrix from an earlier step as it stands there
      const earlier = partOf[name], given = form.given[name];
      if (earlier) return matrix(short(earlier, name), earlier, "copy lean", (i, j) =>
        readOnly(earlier, () => typed(earlier, i, j)));
      const sameRows = (other) => other !== name && `${(form.given[other] || {}).rows}` === `${given.rows}`;
      const kind = given.columns.length === 1 && used.some(sameRows) ? "fact lean" : "fact";  // lean: row heads unseen
      const numbers = values[name], says = name.length === 1 ? `${name}, ${given.about}` : short(given, name);
      return matrix(says, given, kind, (i, j) => readOnly(given, () => engine.cellText(numbers[i][j])));
    }
    function marks(part) {  // the given matrix in which the learner marks cells
      const given = form.given[part.marks], view = [];
      views.push(view);
      return matrix(`${part.marks}, ${given.about}`, given, "marks", (i, j) => {
        const text = minus(engine.cellText(values[part.marks][i][j]));
        const label = `${spoken(given, part.marks, i, j)}: ${text}`;
        const press = button(text, () => mark(part, i, j), { "aria-label": label });
        live.push(() => press.setAttribute("aria-pressed", isMarked(part, i, j)));
        places.set(press, { part, i, j, x: j, y: i, view });
        view.push(press);
        return make("td", {}, press);
      });
    }
    function own(part) {  // the matrix to fill in
      const called = short(part, part.name), says = isSymbol(called) ? `${called}, ${part.about}` : called, view = [];
      views.push(view);
      return matrix(says, part, "own", (i, j) => {
        if (isPrinted(part, i)) return readOnly(part, () => typed(part, i, j));
        const td = make("td", { class: "blank", "data-cell": `${part.name}-${i + 1}-${j + 1}` });
        const input = part.marks ? null : box(part, i, j, view);
        if (input) td.append(input);
        live.push((reports) => {
          const text = typed(part, i, j), now = sign(part, reports[part.name], i, j);
          td.dataset.sign = now;
          td.title = now === "follows" ? "follows from your own earlier numbers" : "";
          if (!input) return say(td, minus(text));
          if (input.value !== text) input.value = text;
          input.classList.toggle("long", text.length > 4);
          if (now === "wrong") input.setAttribute("aria-invalid", "true");
          else input.removeAttribute("aria-invalid");
          if (part.frames) paint(input, text);
        });
        return td;
      });
    }
    function box(part, i, j, view) {
      const input = make("input", {
        type: "text", inputmode: "decimal", autocomplete: "off", autocapitalize: "off", spellcheck: "false",
        maxlength: 12, enterkeyhint: "next", "aria-label": spoken(part, part.name, i, j),
        oninput: () => write(part, i, j, input.value), onchange: refresh,
      });
      places.set(input, { part, i, j, view, ...(part.frames ? { x: 2 * i + j % 2, y: j >> 1 } : { x: j, y: i }) });
      view.push(input);
      return input;
    }

    // --- steps -------------------------------------------------------------------------------------------------------
    const partsOf = (id) => parts.filter((part) => stepOf(part) === id);
    const titleOf = (id) => data.steps[partsOf(id)[0].step].name + (partsOf(id)[0].after ? ", after the update" : "");
    function step(id, place) {  // place: "whole", or among "others", or "alone" below a heading of the text
      const mine = partsOf(id), { label, meaning, after, formula } = data.steps[mine[0].step], again = mine[0].after;
      const shown = (part) => [...(part.question ? [] : namesIn(part.formula)), ...(part.shows || [])];
      const used = [...new Set(mine.flatMap(shown))].filter((name) => !mine.includes(partOf[name]));
      const marker = (name) => mine.find((part) => part.marks === name && toFill(part));
      const line = (kind, html) => make("p", { class: kind, html });
      const lines = mine.filter((part) => part.question).map((part) => line("question", named(part.question)));
      if (place === "whole" && !again && !lines.length) lines.push(line("meaning", escape(meaning)));
      lines.push(line("formula", again ? after : formula));
      if (place !== "alone") lines.unshift(make(place === "whole" ? "h2" : "p", { class: "step-name" },
                                                make("span", { class: "numbers" }, label), ` ${titleOf(id)}`));
      const first = used.map((name) => (marker(name) ? marks(marker(name)) : beside(name, used)));
      const press = button("Check", () => check(mine.map((part) => part.name)), { class: "check" });
      const feet = [...(mine.some(toFill) ? [press] : []), ...mine.map((part) => foot(part, mine.length > 1))];
      return make("div", { class: "live-step", "data-step": id, role: "group", "aria-label": titleOf(id) },
        ...lines, make("div", { class: "matrices" }, ...first, ...mine.map(own)), make("div", { class: "feet" }, ...feet));
    }
    function foot(part, doubled) {
      const word = make("span", { class: "state" }), says = make("p", { class: "verdict", role: "status" });
      const list = make("ol", { class: "hints" }), label = doubled ? `${short(part, part.name)}: ` : "";
      let shown = [];
      const hint = button("Hint", () => {  // one more each time; the last is a sum, and moves on with the cells
        const all = engine.hints(parts, values, numbers(), printed, part.name);
        const moved = shown.length === all.length && shown.at(-1) !== all.at(-1);
        give(all, moved ? all.length : shown.length < all.length ? shown.length + 1 : 0);
      }, { class: "hint" });
      function give(all, count) {
        if (`${shown}` === `${all.slice(0, count)}`) return;
        shown = all.slice(0, count);
        list.replaceChildren(...shown.map((text) => make("li", { html: named(text) })));
        const says = count === all.length ? "Hide hints" : `Hint ${count + 1} of ${all.length}`;
        hint.firstChild.data = shown.length ? says : "Hint";
      }
      if (doubled) hint.append(` for ${short(part, part.name)}`);
      live.push((reports) => {
        const [kind, text] = state(reports[part.name]);
        word.dataset.state = says.dataset.state = kind;
        say(word, label + (kind === "right" ? "" : text));  // then the verdict says so
        sayHtml(says, named(verdict(part, reports[part.name])));
        if (shown.length && reports[part.name].seen)  // the sum shown is that of the cell to look at now
          give(engine.hints(parts, values, numbers(), printed, part.name), shown.length);
      });
      return make("div", { class: "foot", "data-part": part.name }, ...(toFill(part) ? [hint] : []), word, says, list);
    }

    // --- the tool bar ------------------------------------------------------------------------------------------------
    function typeSwitch() {
      const box = make("input", { type: "checkbox", onchange: () => {
        asTyped = box.checked;
        store.set("as-typed", asTyped ? "yes" : "no");
        checked.clear();
        refresh();
      } });
      tools.push(() => { box.checked = asTyped; });
      return make("label", {}, box, " check as I type");
    }
    function choices() {
      const radio = (text, is) => {
        const dot = make("input", { type: "radio", name: `${name}-half`, onchange: () => {
          half = is;
          notice("");
          checked.clear();
          show();
        } });
        tools.push(() => { dot.checked = half === is; });
        return make("label", {}, dot, ` ${text}`);
      };
      const field = make("input", { type: "number", min: 0, max: last, inputmode: "numeric", onchange: () => {
        const to = Number(field.value);
        if (!field.value || !(to in instances)) notice(`Sheets are numbered from 0 to ${last}.`);
        else {
          load(to);
          notice(to ? `Sheet ${to}: the same steps, other numbers. Each sheet keeps its own cells.` : "");
          show();
        }
        field.value = number;
      } });
      tools.push(() => { if (document.activeElement !== field) field.value = number; });
      const halves = make("span", {}, radio("whole sheet", false), radio("half sheet", true));
      return [...(last ? [make("label", {}, `Sheet number (0 to ${last}) `, field)] : []),
              ...(parts.some((part) => part.half) ? [halves] : [])];
    }
    async function copyLink() {
      const address = `${location.href.split("#")[0]}#${link() || "seed=0"}`;
      try {
        await navigator.clipboard.writeText(address);
        notice("The link is copied: with it this sheet opens anywhere, as it is now.");
      } catch (error) {  // from a disk there is no clipboard
        const field = make("input", { readonly: true, class: "link", "aria-label": "Link to this sheet" });
        field.value = address;
        notice("Copy this link: ", field);
        field.select();
      }
    }
    function resetButton() {
      const press = button("Reset", () => {
        const count = sum(parts.map(toFill)) - sum(parts.map(left));
        if (!press.dataset.sure && count) {
          press.dataset.sure = "asked";
          press.textContent = `Empty ${many(count, "cell")}?`;
          setTimeout(calm, 5000);
          return;
        }
        if (count) offerBack("The sheet is empty.");
        cells = {};
        checked.clear();
        calm();
        show();
      }, { onblur: () => calm() });
      const calm = () => { delete press.dataset.sure; press.textContent = "Reset"; };
      return press;
    }
    function progress() {
      const text = make("span"), bar = make("span", { class: "done", "aria-hidden": "true" });
      const go = button("go there", () => {
        const td = document.querySelector(".live-sheet td[data-sign=wrong]");
        (td.querySelector("input") || td.closest(".matrices").querySelector("button")).focus();
      });
      tools.push((reports) => {
        const found = Object.values(reports), wrong = sum(found.map((report) => report.wrong.length));
        const all = sum(parts.map(toFill)), done = all - sum(parts.map(left));
        const right = done === all && !wrong && found.every((report) => report.seen || !report.all);
        const more = wrong ? `, ${wrong} to look at` : "";
        say(text, right ? `All ${all} cells are right.` : `${done} of ${all} cells${more}`);
        go.hidden = !wrong;
        bar.style.setProperty("--done", `${100 * done / all}%`);
      });
      return make("p", { class: "progress-line" }, bar, text, " ", go);
    }
    function stepList() {
      const chip = (id) => {
        const number = data.steps[partsOf(id)[0].step].label.replace(/^\[| \/.*|\]$/g, "");
        const press = button(number, () => goTo(id), { title: titleOf(id) });
        tools.push((reports) => {
          const found = partsOf(id).map((part) => state(reports[part.name]));
          const kinds = found.map(([kind]) => kind);
          press.dataset.state = ["wrong", "begun"].find((kind) => kinds.includes(kind)) ||
            (new Set(kinds).size === 1 ? kinds[0] : "begun");
          const says = found.map(([, text]) => text).join(", ");
          press.setAttribute("aria-label", `${press.textContent}, ${titleOf(id)}: ${says}`);
        });
        return make("li", { class: partsOf(id)[0].after ? "after" : false }, press);
      };
      const begins = steps.find((id) => partsOf(id)[0].after);
      return make("ol", { class: "steps", "aria-label": "Steps" }, ...steps.flatMap((id) =>
        id === begins ? [make("li", { class: "again" }, "after the update:"), chip(id)] : [chip(id)]));
    }
    function toolBar() {
      const heading = make("p", { class: "print-title" });
      tools.push(() => say(heading, form.title + (number ? `, sheet ${number}` : "") + (half ? ", half sheet" : "")));
      const buttons = [
        button("Check all", () => check(parts.map((part) => part.name)), { class: "check" }), typeSwitch(),
        ...(addressed ? [button("Copy link", copyLink)] : []), button("Print", () => window.print()), resetButton(),
      ];
      return make("div", { class: "sheet-tools", role: "group", "aria-label": "The whole sheet" }, heading,
        make("div", {}, ...choices()), make("div", {}, ...buttons), progress(), stepList(), news);
    }

    // --- keys: from cell to cell, and for phones what their number pad lacks -----------------------------------------
    function move(from, by) {  // down a column, then the next: token by token
      const order = (p, q) => (p.part.frames ? 0 : p.j - q.j || p.i - q.i);
      const all = views.flatMap((view) => [...view].sort((a, b) => order(places.get(a), places.get(b))));
      const to = all[all.indexOf(from) + by];
      if (to) to.focus();
    }
    function onKey(event) {
      const node = event.target, here = places.get(node), typing = node.tagName === "INPUT";
      if (!here || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (event.key === "Enter" && typing) move(node, 1);
      else if (way) {
        const [x, y] = way, { selectionStart: from, selectionEnd: to, value } = node;
        const inside = typing && x && to - from < value.length && (x < 0 ? to > 0 : from < value.length);
        if (inside) return;  // the caret moves within the text
        const there = (place) => place.x === here.x + x && place.y === here.y + y;
        const next = here.view.find((other) => there(places.get(other)));
        if (next) next.focus();
      } else return;
      event.preventDefault();
    }
    function addHalf(text) {
      const number = engine.cellNumber(text), whole = Math.trunc(number);
      if (typeof number !== "number") return /^[-−]$/.test(text) ? "-1/2" : number === null ? "1/2" : text;
      if (Math.abs(number - whole) === 0.5) return whole ? String(whole) : "";  // a second press takes it off
      if (number !== whole) return text;
      return engine.cellText(number < 0 ? number - 0.5 : number + 0.5);
    }
    function keyBar() {
      const cell = () => (places.has(document.activeElement) ? document.activeElement : null);
      const key = (text, says, act) => button(text, () => cell() && act(cell()), { "aria-label": says, tabindex: -1 });
      const type = (change) => (input) => {
        input.value = change(input.value);
        input.dispatchEvent(new Event("input"));
      };
      const keep = (event) => event.preventDefault();  // the focus stays in the cell
      const bar = make("div", { class: "sheet-keys", role: "toolbar", "aria-label": "Keys for this cell", hidden: true,
                                onpointerdown: keep, onmousedown: keep },
        key("−", "Change the sign", type((text) => (/^[-−]/.test(text) ? text.slice(1) : `-${text.replace(/^\+/, "")}`))),
        key("½", "Add a half", type(addHalf)),
        key("back", "Previous cell", (input) => move(input, -1)), key("next", "Next cell", (input) => move(input, 1)),
        key("Check", "Check this step", (input) => {
          const { part } = places.get(input);
          check(partsOf(stepOf(part)).map((one) => one.name));
          const says = input.closest(".live-step").querySelector(`[data-part="${part.name}"] .verdict`);
          says.scrollIntoView({ block: "nearest" });  // its margin keeps it above the keys
        }));
      const view = window.visualViewport;
      const place = () => {  // right above the phone's own keys, which may cover the page's lower end
        const covered = document.documentElement.clientHeight - view.height - view.offsetTop;
        bar.style.bottom = `${Math.max(0, covered)}px`;
      };
      if (view) ["resize", "scroll"].forEach((change) => view.addEventListener(change, place));
      document.addEventListener("focusin", () => {
        bar.hidden = !cell() || cell().tagName !== "INPUT";
        if (view) place();
      });
      document.addEventListener("focusout", () => setTimeout(() => { bar.hidden = bar.hidden || !cell(); }));
      return bar;
    }

    // --- putting it into the page ------------------------------------------------------------------------------------
    function chosen(box) {
      const words = (box.dataset.steps || "").split(/\s+/).filter(Boolean);
      if (!words.length || words.includes("all")) return steps;
      return words.flatMap((word) => (word === "after" ? steps.filter((id) => id.startsWith("after_")) : [word]));
    }
    const frames = boxes.map((box) => {  // what stays when the steps are made anew
      const inside = make("div");
      const footer = make("p", { class: "sheet-foot" }, typeSwitch());
      if (box.dataset.whole) {
        const here = () => {
          store.set(name, number);
          store.set(`${name}-step`, chosen(box)[0]);
        };  // not in the address: the theme's script stumbles over such a #
        footer.append(make("a", { href: box.dataset.whole, onclick: here }, "Go on in the whole sheet"));
      }
      let fresh = null;
      box.addEventListener("keydown", onKey);
      box.addEventListener("focusin", ({ target }) => {  // what is there is selected, so that typing replaces it
        fresh = places.has(target) && target.select ? target : null;
        if (fresh) fresh.select();
      });
      box.addEventListener("click", ({ target }) => {  // the first click into a cell would put the caret there
        if (fresh && fresh === target) fresh.select();
        fresh = null;
      });
      box.classList.toggle("live-part", "steps" in box.dataset);
      box.replaceChildren(...(box.dataset.steps ? [inside, footer] : [toolBar(), inside]));
      return inside;
    });
    boxes[0].append(keyBar());
    function build() {
      live = [];
      views = [];
      places = new Map();
      values = about ? engine.key(about.parts, instances[number]) : instances[number];
      key = engine.key(parts, values);
      printed = parts.filter((part) => half && part.half === "given").map((part) => part.name);
      frames.forEach((inside, k) => {
        const ids = chosen(boxes[k]), place = !boxes[k].dataset.steps ? "whole" : ids.length > 1 ? "others" : "alone";
        const unknown = (id) => make("p", {}, `This sheet has no step “${id}”, only ${steps.join(", ")}.`);
        inside.replaceChildren(...ids.map((id) => (steps.includes(id) ? step(id, place) : unknown(id))));
      });
      refresh();
    }
    if (addressed) document.documentElement.classList.add("live-sheet-page");
    window.addEventListener("hashchange", () => { if (addressed && location.hash.slice(1) !== link()) start(); });
    window.addEventListener("pageshow", (event) => { if (event.persisted) { load(number); build(); } });
    window.addEventListener("storage", (event) => {  // the same sheet, filled in another tab
      if (event.key === `ditcourse-sheet-${name}-${number}`) { load(number); show(); }
    });
    start();
  }

  const boxes = [...document.querySelectorAll(".live-sheet")], forms = new Set(boxes.map((box) => box.dataset.form));
  const first = (boxes.find((box) => !box.dataset.steps) || { dataset: {} }).dataset.form;
  forms.forEach((form) => open(form, boxes.filter((box) => box.dataset.form === form), form === first));
})();
