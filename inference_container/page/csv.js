// A CSV file to rows of text (RFC 4180, with the liberties that spreadsheets take). `series.js` makes numbers of them.

/** What is wrong with a file, in a sentence for the person who chose it. */
export class FileError extends Error {}

/**
 * The header's names and the rows below it, each with the number of the line it begins in. Comma, semicolon or tab;
 * quoted cells may hold all of them, line ends too; CRLF, LF or CR; a byte order mark and blank lines are skipped.
 * Throws a FileError with the line's number.
 */
export function parseCsv(text) {
  const source = text.startsWith("\uFEFF") ? text.slice(1) : text;
  const reader = new Reader(source);
  const [header, ...rows] = reader.records();
  if (header === undefined) throw new FileError("The file is empty.");
  const names = header.cells;
  const twice = names.find((name, index) => name !== "" && names.indexOf(name) !== index);
  if (twice !== undefined) throw new FileError(`The header names the column “${twice}” twice.`);
  for (const { line, cells } of rows) {
    if (cells.length !== names.length) {
      throw new FileError(`Line ${line} has ${cells.length} cells, the header has ${names.length}.`);
    }
  }
  if (rows.length === 0) throw new FileError("The file has a header and no rows below it.");
  return { names, rows };
}

class Reader {
  constructor(source) {
    this.source = source;
    this.at = 0;
    this.line = 1;
    this.delimiter = likeliest(source);
    // Sticky: it matches where the reader stands and nowhere else.
    this.plain = new RegExp(`[^${this.delimiter}\\r\\n]*`, "y");
  }

  records() {
    const found = [];
    while (this.at < this.source.length) {
      const line = this.line;
      const cells = this.record();
      if (cells.length > 1 || cells[0] !== "") found.push({ line, cells });
    }
    return found;
  }

  record() {
    const cells = [];
    for (;;) {
      this.blanks();
      cells.push(this.source[this.at] === '"' ? this.quoted() : this.unquoted());
      const next = this.source[this.at];
      if (next === this.delimiter) {
        this.at += 1;
      } else {
        if (next !== undefined) this.lineEnd();
        return cells;
      }
    }
  }

  unquoted() {
    this.plain.lastIndex = this.at;
    const cell = this.plain.exec(this.source)[0];
    this.at += cell.length;
    return cell.trim();
  }

  quoted() {
    const begun = this.line;
    let cell = "", from = this.at + 1;
    for (;;) {
      const end = this.source.indexOf('"', from);
      if (end < 0) throw new FileError(`Line ${begun}: a quoted cell begins here and is never closed.`);
      cell += this.source.slice(from, end);
      this.at = end + 1;
      if (this.source[this.at] !== '"') break;
      cell += '"'; // two quotes inside a quoted cell stand for one
      from = this.at + 1;
    }
    this.line += cell.split(/\r\n|\r|\n/).length - 1;
    this.blanks();
    const next = this.source[this.at];
    if (next !== undefined && next !== this.delimiter && next !== "\r" && next !== "\n") {
      throw new FileError(`Line ${this.line}: there is text behind the closing quote of a cell.`);
    }
    return cell.trim();
  }

  /** Around quotes they are nobody's; inside an unquoted cell they are trimmed. */
  blanks() {
    while (this.source[this.at] === " ") this.at += 1;
  }

  lineEnd() {
    this.at += this.source.startsWith("\r\n", this.at) ? 2 : 1;
    this.line += 1;
  }
}

/** The separator that the header uses most; a comma when it uses none. */
function likeliest(source) {
  const header = source.split(/[\r\n]/, 1)[0].replace(/"[^"]*"/g, "");
  const uses = (mark) => header.split(mark).length;
  return [",", ";", "\t"].reduce((best, mark) => (uses(mark) > uses(best) ? mark : best));
}
