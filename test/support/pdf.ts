/** A PDF (ISO 32000) of Helvetica lines, 14 points apart; an empty line leaves a gap. One list of lines a page. */
export function pdfOf(pages: readonly (readonly string[])[], title = ""): Uint8Array {
  const objects: string[] = [];
  const add = (body: string) => objects.push(body);
  const pageNumber = (index: number) => 5 + index * 2;
  add("<< /Type /Catalog /Pages 2 0 R >>");
  add(`<< /Type /Pages /Kids [${pages.map((_, index) => `${pageNumber(index)} 0 R`).join(" ")}] /Count ${pages.length} >>`);
  add("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>");
  add(`<< /Title (${title}) >>`);
  pages.forEach((lines, index) => {
    const drawn = lines.map((line, row) => `BT /F1 12 Tf 72 ${720 - row * 14} Td (${line}) Tj ET`).join("\n");
    add(
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents ${pageNumber(index) + 1} 0 R >>`,
    );
    add(`<< /Length ${drawn.length} >>\nstream\n${drawn}\nendstream`);
  });
  let text = "%PDF-1.4\n";
  const offsets = objects.map((body, index) => {
    const offset = text.length;
    text += `${index + 1} 0 obj\n${body}\nendobj\n`;
    return offset;
  });
  const table = offsets.map((offset) => `${String(offset).padStart(10, "0")} 00000 n \n`).join("");
  text += `xref\n0 ${objects.length + 1}\n0000000000 65535 f \n${table}trailer\n<< /Size ${objects.length + 1} /Root 1 0 R /Info 4 0 R >>\nstartxref\n${text.length}\n%%EOF`;
  return new TextEncoder().encode(text);
}
