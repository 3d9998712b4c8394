/** Reads CSV (RFC 4180) for the preview of an input. */

import type { Row } from "../results/shape.js";

/** The rows under a line of headings; an incomplete last line is kept. */
export function parseCsv(text: string, separator: string): { columns: string[]; rows: Row[] } {
  const [head = [], ...lines] = records(text.replace(/^\uFEFF/, ""), separator);
  const columns = head.map((name, index) => name.trim() || `Column ${index + 1}`);
  const rows = lines.map((line) =>
    Object.fromEntries(columns.map((column, index) => [column, line[index] ?? ""])),
  );
  return { columns: [...new Set(columns)], rows };
}

function records(text: string, separator: string): string[][] {
  const found: string[][] = [];
  let record: string[] = [];
  let field = "";
  let isQuoted = false;
  const endField = () => {
    record.push(field);
    field = "";
  };
  const endRecord = () => {
    endField();
    if (record.length > 1 || record[0] !== "") found.push(record);
    record = [];
  };
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    if (isQuoted && character === '"' && text.charAt(at + 1) === '"') {
      field += '"';
      at += 1;
    } else if (character === '"' && (isQuoted || field === "")) {
      isQuoted = !isQuoted;
    } else if (!isQuoted && character === separator) {
      endField();
    } else if (!isQuoted && character === "\n") {
      field = field.replace(/\r$/, "");
      endRecord();
    } else {
      field += character;
    }
  }
  endRecord();
  return found;
}
