//! Tables of text.

use console::measure_text_width;

/// The rows in aligned columns, with two spaces between them. Colours take no width.
pub(crate) fn aligned<const N: usize>(rows: impl IntoIterator<Item = [String; N]>) -> String {
    let rows: Vec<_> = rows.into_iter().collect();
    let widths: [usize; N] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| measure_text_width(&row[column]));
        cells.max().unwrap_or_default()
    });
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| {
            let padding = width.saturating_sub(measure_text_width(cell));
            format!("{cell}{}", " ".repeat(padding))
        });
        let cells: Vec<_> = cells.collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_colours_take_no_width() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned);
        let table = aligned([
            row(["ID", "STATE", ""]),
            row(["a-long-id", "\u{1b}[31mfailed\u{1b}[0m", "why"]),
            row(["b", "ok", ""]),
        ]);
        assert_eq!(
            table,
            "ID         STATE\n\
             a-long-id  \u{1b}[31mfailed\u{1b}[0m  why\n\
             b          ok\n"
        );
    }
}
