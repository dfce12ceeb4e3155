// What a hand sheet computes and says, without the page: the same as ditcourse/check/formulas.py and sheet.py, on the
// same data (data.js). tests/book/site/test_sheet_engine.py holds the two against each other.
// A matrix is an array of rows; a blank cell of the learner's is null, a text is what could not be read as a number.
(function () {
  "use strict";

  // --- matrices ------------------------------------------------------------------------------------------------
  const height = (A) => A.length, width = (A) => A[0].length;
  const at = (A, i, j) => A[Math.min(i, height(A) - 1)][Math.min(j, width(A) - 1)];
  const fill = (rows, columns, cell) =>
    Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => cell(i, j)));
  const map = (A, change) => A.map((row) => row.map(change));
  const each = (A, B, join) =>  // a row, a column or a number counts for every cell
    fill(Math.max(height(A), height(B)), Math.max(width(A), width(B)), (i, j) => join(at(A, i, j), at(B, i, j)));
  const sum = (numbers) => numbers.reduce((total, x) => total + x, 0);
  const add = (A, B) => each(A, B, (a, b) => a + b);
  const subtract = (A, B) => each(A, B, (a, b) => a - b);
  const multiply = (A, B) => each(A, B, (a, b) => a * b);
  const transpose = (A) => fill(width(A), height(A), (i, j) => A[j][i]);
  const products = (A, B, join) =>
    fill(height(A), width(B), (i, j) => sum(A[i].map((a, k) => join(a, B[k][j]))));
  const matmul = (A, B) => products(A, B, (a, b) => a * b);
  const linear = (W, X, b) => add(matmul(W, X), b);
  const mean = (A) => sum(A.flat()) / A.flat().length;
  const sameShape = (A, B) => height(A) === height(B) && width(A) === width(B);

  const operations = {
    linear, matmul, add, subtract, multiply, transpose,
    without_double_minus: (W, X, b) => add(products(W, X, (w, x) => (w < 0 && x < 0 ? -w * x : w * x)), b),
    modulate: (Z, scale, shift) => add(multiply(Z, scale), shift),
    relu: (A) => map(A, (x) => Math.max(x, 0)),
    abs: (A) => map(A, Math.abs),
    root: (A) => map(A, Math.sqrt),
    reverse: (A) => [...A].reverse(),
    stack: (...parts) => parts.flat(),
    rows: (A, ...places) => places.map((place) => A[place - 1]),
    columns: (A, ...places) => A.map((row) => places.map((place) => row[place - 1])),
    two_largest(S) {
      const second = transpose(S).map((column) => [...column].sort((a, b) => b - a)[1]);
      return S.map((row) => row.map((x, j) => (x >= second[j] ? 0.5 : 0)));
    },
    within: (A, level) => each(A, level, (x, k) => (Math.abs(x) <= k ? 1 : 0)),
    mean_where(A, mask) {
      return [transpose(mask).map((column, j) => {
        const chosen = column.flatMap((yes, i) => (yes ? [at(A, i, j)] : []));
        return chosen.length ? sum(chosen) / chosen.length : 0;
      })];
    },
    nearest: (A) => [transpose(A).map((column) => column.reduce((best, x) => (Math.abs(x) < Math.abs(best) ? x : best)))],
    column_means: (A) => [transpose(A).map((column) => sum(column) / column.length)],
    places: (A) => transpose(transpose(A).map((column) =>
      [...column.flatMap((x, i) => (x ? [i + 1] : [])), 0, 0].slice(0, 2))),
    binary: ([[t]]) => [[Math.floor(t / 2)], [t % 2]],
    side_by_side: (frames) => fill(4, 4, (i, j) => frames[2 * (i >> 1) + (j >> 1)][2 * (i % 2) + (j % 2)]),
    cut: (frames, t, h, w) => fill(t * h * w, frames.length * 4 / (t * h * w), (i, j) => {
      const across = 2 / w, blocks = across * 2 / h, row = (Math.floor(j / across) * h) % 2 + Math.floor(i / w) % h;
      return frames[Math.floor(j / blocks) * t + Math.floor(i / (h * w))][2 * row + (j % across) * w + i % w];
    }),
    layer_norm: (A) => transpose(transpose(A).map((column) => {
      const centred = column.map((x) => x - sum(column) / column.length);
      const size = Math.sqrt(sum(centred.map((x) => x * x)) / column.length);
      return centred.map((x) => (size > 0 ? x / size : 0));
    })),
    row_means: (A) => A.map((row) => [sum(row) / row.length]),
    mean: (A) => [[mean(A)]],
    mean_square: (A) => [[mean(map(A, (x) => x * x))]],
  };
  const picks = ["rows", "columns", "cut"];  // what follows their first argument are places, not formulas

  function evaluate(formula, values) {
    if (typeof formula === "string") return values[formula];
    if (typeof formula === "number") return [[formula]];
    const [name, ...parts] = formula;
    if (picks.includes(name)) return operations[name](evaluate(parts[0], values), ...parts.slice(1));
    return operations[name](...parts.map((part) => evaluate(part, values)));
  }

  function namesIn(formula) {
    if (typeof formula === "string") return [formula];
    return Array.isArray(formula) ? formula.slice(1).flatMap(namesIn) : [];
  }

  // --- slips of the pencil in single cells, and the sum for one cell ---------------------------------------------
  function alternatives(formula, values) {
    if (!Array.isArray(formula)) return [];
    const [name, ...parts] = formula;
    if (name === "relu" || picks.includes(name)) {
      const made = alternatives(parts[0], values).map(([slip, says, matrix]) =>
        [slip, says, operations[name](matrix, ...parts.slice(1))]);
      if (name === "relu")
        made.push(["ReLU forgotten in a cell", "ReLU was forgotten there", evaluate(parts[0], values)]);
      return made;
    }
    if (name === "linear") {
      const [W, X, b] = parts.map((part) => evaluate(part, values)), right = linear(W, X, b);
      const made = [["bias left out in a cell", "the bias was left out there", matmul(W, X)],
                    ["sign of the bias", "the bias has the wrong sign there", subtract(matmul(W, X), b)]];
      for (let k = 0; k < width(W); k++) {
        const product = fill(height(W), width(X), (i, j) => W[i][k] * X[k][j]);
        made.push(["product left out", "one product was left out there", subtract(right, product)]);
        made.push(["sign of a product", "one product has the wrong sign there",
                   subtract(right, multiply([[2]], product))]);
      }
      made.push(["sign of the sum", "the sum has the wrong sign there", multiply([[-1]], right)]);
      return made;
    }
    if (name === "matmul") {
      const [A, B] = parts.map((part) => evaluate(part, values)), right = matmul(A, B);
      const made = [
        ["not halved in a cell", "that is twice as much as it should be", multiply([[2]], right)],
        ["halved twice in a cell", "that is half as much as it should be", multiply([[0.5]], right)],
      ];
      for (let k = 0; k < width(A); k++)
        made.push(["product left out", "one product was left out there",
                   subtract(right, fill(height(A), width(B), (i, j) => A[i][k] * B[k][j]))]);
      return made;
    }
    if (name === "add" || name === "subtract") {
      const [A, B] = parts.map((part) => evaluate(part, values));
      if (name === "add")
        return [["sign in a cell", "the second number was subtracted there; it is to be added", subtract(A, B)]];
      return [
        ["turned round in a cell", "the subtraction was turned round there", subtract(B, A)],
        ["sign in a cell", "the second number was added there; it is to be subtracted (minus a negative number is plus)",
         add(A, B)],
      ];
    }
    if (name === "modulate") {
      const [Z, scale, shift] = parts.map((part) => evaluate(part, values)), zero = [[0]];
      return [
        ["shift left out in a cell", "the shift was left out there", add(multiply(Z, scale), multiply(zero, shift))],
        ["scale left out in a cell", "the scale was left out there", add(add(Z, multiply(zero, scale)), shift)],
        ["sign of a product", "the product with the scale has the wrong sign there",
         subtract(shift, multiply(Z, scale))],
      ];
    }
    return [];
  }

  function worked(formula, values, row, column) {
    if (!Array.isArray(formula)) return "";
    const [name, ...parts] = formula;
    if (name === "relu") {
      const inner = worked(parts[0], values, row, column);
      return inner && `${inner}, and 0 if that is below 0`;
    }
    if (name === "rows") return worked(parts[0], values, parts[1 + row] - 1, column);
    if (!["linear", "matmul", "add", "subtract", "modulate"].includes(name)) return "";
    const found = parts.map((part) => evaluate(part, values));
    if (name === "add" || name === "subtract")
      return found.map((A, k) => shown(at(A, row, column), !k)).join(name === "add" ? " + " : " − ");
    if (name === "modulate") {
      const [Z, scale, shift] = found.map((A) => at(A, row, column));
      return `${shown(scale, true)} · ${shown(Z)} + ${shown(shift)}`;
    }
    const terms = found[0][row].map((w, k) => `${shown(w, !k)} · ${shown(found[1][k][column])}`);
    if (name === "linear") terms.push(shown(at(found[2], row, column)));
    return terms.join(" + ");
  }

  // --- numbers and texts ---------------------------------------------------------------------------------------
  function numberText(x) {  // as Python's format "%.4g", whole numbers in full
    if (Number.isInteger(x) && Math.abs(x) < 1e9) return String(x === 0 ? 0 : x);
    const [digits, power] = x.toExponential(3).split("e");
    if (power < -4 || power >= 4)
      return `${Number(digits)}e${power[0]}${power.slice(1).padStart(2, "0")}`;
    return String(Number(x.toPrecision(4)));
  }

  function cellText(x) {
    if (Number.isInteger(x)) return String(x === 0 ? 0 : x);
    if (Number.isInteger(2 * x)) return `${2 * x}/2`;
    return String(x).length < 10 && Math.abs(x) >= 1e-3 ? String(x) : numberText(x);
  }

  function shown(x, first) {
    const text = cellText(x).replace(/-/g, "−");
    return text.startsWith("−") && !first ? `(${text})` : text;
  }

  // a whole number and a fraction, a ½ with or without a whole number before it, or a number over a whole number
  const cell = /^([-+]?) *(?:(\d+) +(\d+) *\/ *(\d+)|(\d*) *(½)|(\d+\.?\d*|\.\d+)(?: *\/ *(\d+))?)$/;

  function cellNumber(text) {
    const plain = text.trim().replace(/−/g, "-").replace(/⁄/g, "/").replace(/,/g, ".").replace(/\u00a0/g, " ");
    if (["", "...", "…"].includes(plain)) return null;
    const match = cell.exec(plain);
    if (!match || plain.length > 24) return text.trim();
    const [, sign, whole, over, under, wholeOfHalf, half, number, divisor] = match;
    let size;
    if (half) size = Number(wholeOfHalf || 0) + 0.5;
    else if (whole) {
      if (Number(over) >= Number(under)) return text.trim();  // 1 3/2 may be 1 and 3/2, or 13/2 with a space in it
      size = Number(whole) + Number(over) / Number(under);
    } else if (divisor && !Number(divisor)) return text.trim();
    else size = Number(number) / Number(divisor || 1);
    return sign === "-" ? -size : size;
  }

  function where(part, [row, column], values) {  // by the words that stand beside and over a cell
    const over = part.heads ? `${part.heads} = ${cellText(values[part.heads][0][column])}` : part.columns[column];
    const words = [...(part.rows.length > 1 ? [part.rows[row]] : []), ...(part.columns.length > 1 ? [over] : [])];
    return words.join(", ").replace(/-/g, "−");
  }

  // --- judging -------------------------------------------------------------------------------------------------
  const close = (given, wanted) =>
    typeof given === "number" && Math.abs(given - wanted) <= 1e-4 * Math.max(1, Math.abs(wanted));
  const closeAll = (A, B) => each(A, B, close);
  const count = (mask) => mask.flat().filter(Boolean).length;
  const cells = (mask) => mask.flatMap((row, i) => row.flatMap((yes, j) => (yes ? [[i, j]] : [])));
  const both = (...masks) => masks.reduce((A, B) => each(A, B, (a, b) => a && b));
  const either = (A, B) => each(A, B, (a, b) => a || b);
  const not = (mask) => map(mask, (yes) => !yes);
  const blanks = (A) => map(A, (cell) => cell === null);

  // For every part the key, what follows from the learner's earlier cells, and what there is to go on with.
  function makeBoard(parts, values, filled, printed) {
    const board = { parts, values, filled, printed, key: { ...values }, have: { ...values }, follow: {} };
    for (const part of parts) {
      const name = part.name, own = filled[name];
      board.key[name] = evaluate(part.formula, board.key);
      board.follow[name] = printed.includes(name) ? board.key[name] : evaluate(part.formula, board.have);
      board.have[name] = !own || printed.includes(name) ? board.follow[name]
        : each(own, board.follow[name], (mine, follows) => (Number.isFinite(mine) ? mine : follows));
    }
    board.blank = (name) => !printed.includes(name) && (!filled[name] || filled[name].flat().every((x) => x === null));
    return board;
  }

  function judge(parts, values, filled, printed) {
    const board = makeBoard(parts, values, filled, printed);
    return Object.fromEntries(parts.map((part) => [part.name, judgePart(board, part)]));
  }

  function judgePart(board, part) {
    const report = { left: 0, wrong: [], follows: [], slip: null, text: "", state: "right" };
    if (board.printed.includes(part.name)) return report;
    const own = board.filled[part.name] || fill(part.rows.length, part.columns.length, () => null);
    const key = closeAll(own, board.key[part.name]), follow = closeAll(own, board.follow[part.name]);
    const wrong = both(not(blanks(own)), not(key), not(follow));
    report.left = count(blanks(own).slice(part.printed || 0));
    report.follows = cells(both(follow, not(key)));
    report.wrong = cells(wrong);
    report.state = report.left ? "not done" : report.wrong.length ? "wrong" : "right";
    if (!report.wrong.length) return report;
    const [row, column] = report.wrong[0], number = own[row][column], place = where(part, [row, column], board.values);
    const says = typeof number === "number" ? `you have ${cellText(number).replace(/-/g, "−")}` : "that is not a number";
    report.text = `In ${part.name}${place && ", "}${place}: ${says}`;
    const all = (part.rows.length - (part.printed || 0)) * part.columns.length, many = report.wrong.length;
    if (all > 1) report.text += `. ${many} of ${Math.max(all, many)} cells ${many === 1 ? "is" : "are"} wrong`;
    const found = explain(board, part, own, wrong);
    if (all === 1 && !found && typeof number === "number") report.text += ", which is wrong";
    report.text += ".";
    if (found) {
      report.slip = found[0];
      report.text += ` Probably: ${found[1]}.`;
    }
    return report;
  }

  function explain(board, part, own, wrong) {
    const shares = part.slips.map((slip) => (sisterDisagrees(board, part, slip) ? 0
      : share(board, part, own, wrong, evaluate(slip.formula, board.have))));
    const best = Math.max(0, ...shares);
    if (best) return told(part.slips.filter((_, i) => shares[i] === best).map((slip) => [slip.says, slip.name]));
    for (const right of [board.follow[part.name], board.key[part.name]])
      if (height(right) === width(right) && closeAll(own, transpose(right)).flat().every(Boolean))
        return ["transposed", "rows and columns have changed places"];
    for (const [name, says, values] of carried(board, part))
      if (share(board, part, own, wrong, values) === 1) return [name, says];
    const single = part.slips.filter((slip) => slip.cell)
      .map((slip) => [slip.name, slip.says, evaluate(slip.formula, board.have)]);
    const found = [...alternatives(part.formula, board.have), ...single].filter(([, , values]) =>
      cells(wrong).every(([i, j]) => close(own[i][j], values[i][j])));
    const different = new Set(found.map(([, says]) => says)).size;
    return different === 1 || different === 2 ? told(found.map(([name, says]) => [says, name])) : null;
  }

  function told(found) {
    const says = [...new Set(found.map(([text]) => text))];
    return [found[0][1], says.slice(0, 3).join("; or ")];
  }

  function share(board, part, own, wrong, slipped) {
    if (!sameShape(slipped, own)) return 0;
    if (!cells(wrong).every(([i, j]) => close(own[i][j], slipped[i][j]))) return 0;
    const changed = not(either(closeAll(slipped, board.follow[part.name]), closeAll(slipped, board.key[part.name])));
    const many = count(wrong);
    if (many === 1 && count(both(changed, blanks(own)))) return 0;
    const there = both(changed, not(blanks(own)));
    if (many === count(there)) return 1;
    const inColumns = transpose(there).filter((_, j) => wrong.some((row) => row[j]));
    return many > 1 && many === count(inColumns) ? 0.5 : 0;
  }

  // A slip that can only happen to two parts of a step together: does it not show in the other one?
  function sisterDisagrees(board, part, slip) {
    return Boolean(slip.together) && board.parts.some((sister) => {
      const own = board.filled[sister.name], same = sister.slips.find((other) => other.name === slip.name);
      if (sister === part || sister.step !== part.step || !sister.after !== !part.after || !same || !own) return false;
      const slipped = evaluate(same.formula, board.have), follow = board.follow[sister.name];
      if (!sameShape(slipped, own) || !sameShape(follow, own)) return false;
      const changed = both(not(closeAll(slipped, follow)), not(blanks(own)));
      return count(changed) > 0 && !count(both(changed, closeAll(own, slipped)));
    });
  }

  // Slips of earlier parts that the learner has not written down, as they show in this part.
  function* carried(board, part) {
    const before = board.parts.slice(0, board.parts.indexOf(part));
    for (const earlier of before) {
      if (!board.blank(earlier.name)) continue;
      for (const slip of earlier.slips) {
        const values = { ...board.have, [earlier.name]: evaluate(slip.formula, board.have) };
        if (!sameShape(values[earlier.name], board.key[earlier.name])) continue;
        const touched = new Set([earlier.name]);
        for (const between of [...before.slice(before.indexOf(earlier) + 1), part])
          if (namesIn(between.formula).some((name) => touched.has(name)) &&
              (between === part || board.blank(between.name))) {
            values[between.name] = evaluate(between.formula, values);
            touched.add(between.name);
          }
        if (touched.has(part.name))
          yield [slip.name, `it began earlier, in ${earlier.name}: ${slip.says}`, values[part.name]];
      }
    }
  }

  function hints(parts, values, filled, printed, name) {
    const board = makeBoard(parts, values, filled, printed), part = parts.find((one) => one.name === name);
    const own = filled[name] || fill(part.rows.length, part.columns.length, () => null);
    const right = either(closeAll(own, board.key[name]), closeAll(own, board.follow[name]));
    const [first] = cells(not(right)).filter(([row]) => row >= (part.printed || 0));
    if (!first) return part.hints;
    const numbers = worked(part.formula, board.have, ...first), place = where(part, first, board.values);
    if (!numbers) return part.hints;
    return [...part.hints, place ? `${place[0].toUpperCase()}${place.slice(1)}: ${numbers}.` : `The sum: ${numbers}.`];
  }

  // --- a sheet in a link -----------------------------------------------------------------------------------------
  function readLink(text, parts) {
    const broken = (why) => new Error(`This link holds no sheet that can be read: ${why}.`.replace("?.", "?"));
    const found = { cells: {}, seed: 0, half: false };
    for (const word of text.replace(/^.*#/, "").split("&")) {
      const [name, rest] = [word.split("=")[0], word.split("=").slice(1).join("=")];
      const part = parts.find((one) => one.name === name);
      if (name === "seed" && /^\d{1,9}$/.test(rest)) found.seed = Number(rest);
      else if (name === "half" && /^[01]$/.test(rest)) found.half = rest === "1";
      else if (part) {
        let rows;
        try {
          rows = rest.split(";").map((row) => row.split(",").map((cell) => decodeURIComponent(cell)));
        } catch (error) {
          throw broken(`${name} is damaged`);
        }
        if (rows.length !== part.rows.length || rows.some((row) => row.length !== part.columns.length))
          throw broken(`${name} has another size; was the link cut off?`);
        found.cells[name] = rows;
      } else throw broken(`it says “${word.slice(0, 20)}”`);
    }
    return found;
  }

  function writeLink({ cells, seed, half }) {
    const words = [];
    if (seed) words.push(`seed=${seed}`);
    if (half) words.push("half=1");
    for (const [name, rows] of Object.entries(cells))
      if (rows.flat().some((cell) => cell.trim()))
        words.push(`${name}=${rows.map((row) => row.map(linkText).join(",")).join(";")}`);
    return words.join("&");
  }

  function linkText(cell) {  // numbers in one spelling; anything else as it was typed
    const number = cellNumber(cell);
    if (number === null) return "";
    return typeof number === "number" && cellNumber(cellText(number)) === number
      ? cellText(number) : encodeURIComponent(cell.trim().replace(/−/g, "-"));
  }

  // What is printed on a sheet: the givens, and on a sheet about another one (backwards) all of its numbers too.
  function valuesOf(name, number) {
    const { forms, instances } = window.ditcourseSheets, of = forms[name].of;
    if (of) return makeBoard(forms[of].parts, valuesOf(of, number), {}, []).key;
    return (forms[name].instances || instances)[number];
  }

  window.ditcourseSheet = {
    valuesOf, evaluate, cellNumber, cellText, judge, hints, readLink, writeLink, where,
    key: (parts, values) => makeBoard(parts, values, {}, []).key,
  };
})();
