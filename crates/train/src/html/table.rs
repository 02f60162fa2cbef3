//! Tables of the page: captioned, with headed columns, sortable where the script runs.

use super::text::{concat, escape};

/// A column: its heading and whether it holds numbers.
pub(super) type Column<'a> = (&'a str, bool);

/// A cell, its markup made.
pub(super) struct Cell {
    markup: String,
    /// What the script sorts by where it is not the text.
    sort: Option<f64>,
}

impl Cell {
    /// Text as it is.
    pub(super) fn text(text: &str) -> Self {
        Self { markup: escape(text), sort: None }
    }

    /// Markup that is safe already.
    pub(super) fn markup(markup: String) -> Self {
        Self { markup, sort: None }
    }

    /// A number as it is shown.
    pub(super) fn number(value: f64, shown: String) -> Self {
        Self { markup: escape(&shown), sort: Some(value) }
    }

    /// A share of the best possible as a bar with its number.
    pub(super) fn bar(share: f64, shown: &str) -> Self {
        let width = share.clamp(0.0, 1.0) * 100.0;
        let markup = format!(
            "<span class=\"bar\"><span class=\"track\" aria-hidden=\"true\"><span style=\"width:{width:.1}%\"></span></span>{}</span>",
            escape(shown)
        );
        Self { markup, sort: Some(share) }
    }
}

/// A table; the first cell of each row is its heading. More than `short` rows are folded by the script.
pub(super) fn table(caption: &str, columns: &[Column<'_>], rows: Vec<Vec<Cell>>, short: usize) -> String {
    let heading = |(name, is_number): &Column<'_>| {
        let class = if *is_number { " class=\"n\"" } else { "" };
        format!("<th scope=\"col\"{class}>{}</th>", escape(name))
    };
    let row = |cells: Vec<Cell>| {
        let cell = |(place, cell): (usize, Cell)| {
            let sort = cell.sort.map_or(String::new(), |value| format!(" data-sort=\"{value}\""));
            let class = if columns.get(place).is_some_and(|column| column.1) { " class=\"n\"" } else { "" };
            match place {
                0 => format!("<th scope=\"row\"{class}{sort}>{}</th>", cell.markup),
                _ => format!("<td{class}{sort}>{}</td>", cell.markup),
            }
        };
        format!("<tr>{}</tr>", concat(cells.into_iter().enumerate().map(cell)))
    };
    format!(
        "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table data-short=\"{short}\"><caption>{}</caption><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>",
        escape(caption),
        escape(caption),
        concat(columns.iter().map(heading)),
        concat(rows.into_iter().map(row))
    )
}
