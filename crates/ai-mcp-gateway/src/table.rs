//! Tables for people: columns as wide as what stands in them.

/// A table with its heading; an empty column is left out.
pub(crate) fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let is_shown = |at: usize| rows.iter().any(|row| row.get(at).is_some_and(|it| !it.is_empty()));
    let shown: Vec<usize> = (0..heading.len()).filter(|at| is_shown(*at)).collect();
    let width = |at: usize| {
        let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
        cells.chain([heading[at].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = shown.iter().map(|at| width(*at)).collect();
    let line = |cell: &dyn Fn(usize) -> String| {
        let mut line = String::new();
        for (at, width) in shown.iter().zip(&widths) {
            line.push_str(&format!("{:width$}  ", cell(*at)));
        }
        format!("{}\n", line.trim_end())
    };
    let mut text = line(&|at| heading[at].to_owned());
    for row in rows {
        text.push_str(&line(&|at| row.get(at).cloned().unwrap_or_default()));
    }
    text
}

/// An instant of RFC 3339 as people read it: to the minute, UTC.
pub(crate) fn minute(instant: &str) -> String {
    instant.get(..16).unwrap_or(instant).replace('T', " ")
}

#[cfg(test)]
mod tests {
    use super::{minute, table};

    #[test]
    fn columns_align_and_empty_ones_go() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let text = table(&["A", "B", "C"], &[row(["x", "", "größe"]), row(["long", "", ""])]);
        assert_eq!(text, "A     C\nx     größe\nlong\n");
        assert_eq!(minute("2026-11-21T12:00:00.000Z"), "2026-11-21 12:00");
        assert_eq!(minute(""), "");
    }
}
