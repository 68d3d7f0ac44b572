//! Tables for people: plain columns, the less important ones left out when the terminal is narrow.

use comfy_table::{Cell as TableCell, Color, ColumnConstraint, ContentArrangement, Table as Grid, presets};

/// Rows of cells under titled columns.
#[derive(Debug, Default)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

#[derive(Debug)]
struct Column {
    title: &'static str,
    keep: Keep,
}

/// When a column is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// However narrow the terminal is.
    Always,
    /// While there is room; the highest number goes first.
    IfRoom(u8),
    /// The same for the last column, which holds sentences: it takes what room is left, and wraps.
    Sentence(u8),
    /// With `-o wide`.
    Wide,
}

/// A piece of text and what it says about the health of things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

/// How good the news is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Plain,
    Good,
    Busy,
    Bad,
    Quiet,
}

/// What is known about the place the table is printed to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Surface {
    /// Columns of the terminal; `None`: as wide as it gets.
    pub(crate) width: Option<u16>,
    pub(crate) color: bool,
    pub(crate) wide: bool,
}

/// Less room than this does not help a sentence.
const SENTENCE: usize = 24;

/// Spaces between two columns.
const GAP: u16 = 2;

// === impl Cell ===

impl Cell {
    /// A cell with a tone of its own.
    pub(crate) fn toned(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// A status as ECS spells it, in the colour that such a status deserves.
    pub(crate) fn status(text: &str) -> Self {
        Self::toned(text, Tone::of_status(text))
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), tone: Tone::Plain }
    }
}

// === impl Tone ===

impl Tone {
    /// The tone of a status of a task, service, deployment, instance or cluster.
    pub(crate) fn of_status(status: &str) -> Self {
        match status {
            "RUNNING" | "ACTIVE" | "HEALTHY" | "COMPLETED" | "PRIMARY" | "yes" | "running" | "SUCCESSFUL" => {
                Self::Good
            }
            "PROVISIONING"
            | "PENDING"
            | "ACTIVATING"
            | "DEACTIVATING"
            | "STOPPING"
            | "DEPROVISIONING"
            | "DRAINING"
            | "IN_PROGRESS"
            | "STOP_REQUESTED"
            | "ROLLBACK_REQUESTED"
            | "ROLLBACK_IN_PROGRESS"
            | "REGISTERING"
            | "DEREGISTERING" => Self::Busy,
            "UNHEALTHY"
            | "FAILED"
            | "ROLLBACK_SUCCESSFUL"
            | "ROLLBACK_FAILED"
            | "REGISTRATION_FAILED"
            | "no"
            | "dead" => Self::Bad,
            "STOPPED" | "INACTIVE" | "UNKNOWN" | "DELETE_IN_PROGRESS" | "-" => Self::Quiet,
            _ => Self::Plain,
        }
    }

    fn color(self) -> Option<Color> {
        match self {
            Self::Plain => None,
            Self::Good => Some(Color::Green),
            Self::Busy => Some(Color::Yellow),
            Self::Bad => Some(Color::Red),
            Self::Quiet => Some(Color::DarkGrey),
        }
    }
}

// === impl Table ===

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: &[(&'static str, Keep)]) -> Self {
        let columns = columns.iter().map(|(title, keep)| Column { title, keep: *keep }).collect();
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row: one cell for each column.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.columns.len(), "a cell for each column");
        self.rows.push(cells.into());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text, each line ended.
    pub(crate) fn render(&self, surface: Surface) -> String {
        let shown = self.fitting(surface);
        let mut grid = Grid::new();
        grid.load_preset(presets::NOTHING);
        if surface.color {
            grid.enforce_styling();
        } else {
            grid.force_no_tty();
        }
        let wraps = shown.iter().any(|index| matches!(self.columns[*index].keep, Keep::Sentence(_)));
        match surface.width.filter(|_| wraps) {
            Some(width) => grid.set_content_arrangement(ContentArrangement::Dynamic).set_width(width),
            // What is still too wide is the terminal's to wrap: broken words are worse.
            None => grid.set_content_arrangement(ContentArrangement::Disabled),
        };
        grid.set_header(shown.iter().map(|index| TableCell::new(self.columns[*index].title)));
        for row in &self.rows {
            grid.add_row(shown.iter().map(|index| styled(&row[*index], surface.color)));
        }
        for (column, index) in grid.column_iter_mut().zip(&shown) {
            column.set_padding((0, GAP));
            if !matches!(self.columns[*index].keep, Keep::Sentence(_)) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            }
        }
        let mut text = String::new();
        for line in grid.lines() {
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    /// The columns to show: all that were asked for, less those there is no room for.
    fn fitting(&self, surface: Surface) -> Vec<usize> {
        let asked = |column: &Column| surface.wide || column.keep != Keep::Wide;
        let mut shown: Vec<usize> =
            (0..self.columns.len()).filter(|index| asked(&self.columns[*index])).collect();
        let Some(width) = surface.width.filter(|_| !surface.wide) else {
            return shown;
        };
        while self.width(&shown) > usize::from(width) {
            let dispensable =
                shown.iter().enumerate().filter_map(|(position, index)| match self.columns[*index].keep {
                    Keep::IfRoom(rank) | Keep::Sentence(rank) => Some((rank, position)),
                    Keep::Always | Keep::Wide => None,
                });
            let Some((_, position)) = dispensable.max() else {
                break;
            };
            shown.remove(position);
        }
        shown
    }

    fn width(&self, shown: &[usize]) -> usize {
        let widest = |index: &usize| {
            let cells =
                self.rows.iter().map(|row| row[*index].text.chars().count()).max().unwrap_or_default();
            let content = cells.max(self.columns[*index].title.len());
            let room = match self.columns[*index].keep {
                Keep::Sentence(_) => content.min(SENTENCE),
                _ => content,
            };
            room + usize::from(GAP)
        };
        shown.iter().map(widest).sum::<usize>().saturating_sub(usize::from(GAP))
    }
}

fn styled(cell: &Cell, color: bool) -> TableCell {
    let text = if cell.text.is_empty() { "-" } else { &cell.text };
    let styled = TableCell::new(text);
    match cell.tone.color().filter(|_| color) {
        Some(color) => styled.fg(color),
        None => styled,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn services() -> Table {
        let mut table = Table::new(&[
            ("NAME", Keep::Always),
            ("STATUS", Keep::Always),
            ("TASK DEFINITION", Keep::IfRoom(2)),
            ("AGE", Keep::IfRoom(1)),
            ("ARN", Keep::Wide),
        ]);
        table.row([
            "web".into(),
            Cell::status("ACTIVE"),
            "web:12".into(),
            "3m".into(),
            "arn:aws:ecs:1".into(),
        ]);
        table.row(["a-longer-name".into(), Cell::status("DRAINING"), "".into(), "2d".into(), "arn:2".into()]);
        table
    }

    #[test]
    fn columns_are_aligned_and_an_empty_cell_is_a_dash() {
        let expected = "\
NAME           STATUS    TASK DEFINITION  AGE
web            ACTIVE    web:12           3m
a-longer-name  DRAINING  -                2d
";
        assert_eq!(services().render(Surface::default()), expected);
    }

    #[test]
    fn a_narrow_terminal_loses_the_least_important_column_first() {
        let expected = "\
NAME           STATUS    AGE
web            ACTIVE    3m
a-longer-name  DRAINING  2d
";
        let surface = Surface { width: Some(40), ..Surface::default() };
        assert_eq!(services().render(surface), expected);
    }

    #[test]
    fn a_sentence_wraps_in_the_room_that_is_left() {
        let mut table =
            Table::new(&[("ID", Keep::Always), ("STATUS", Keep::IfRoom(1)), ("REASON", Keep::Sentence(2))]);
        table.row([
            "ecs-svc/1".into(),
            "FAILED".into(),
            "ECS deployment circuit breaker: tasks failed to start.".into(),
        ]);
        let at = |width| table.render(Surface { width: Some(width), ..Surface::default() });
        let expected = "\
ID         STATUS  REASON
ecs-svc/1  FAILED  ECS deployment circuit
                   breaker: tasks failed to
                   start.
";
        assert_eq!(at(46), expected);
        assert_eq!(at(40), "ID         STATUS\necs-svc/1  FAILED\n");
        assert_eq!(at(5), "ID\necs-svc/1\n");
        assert_eq!(table.render(Surface::default()).lines().count(), 2);
    }

    #[test]
    fn wide_shows_everything() {
        let surface = Surface { wide: true, ..Surface::default() };
        let text = services().render(surface);
        assert!(text.starts_with("NAME           STATUS    TASK DEFINITION  AGE  ARN\n"), "{text}");
        assert!(text.contains("arn:aws:ecs:1"));
    }

    #[test]
    fn colours_appear_only_when_asked_for() {
        assert!(!services().render(Surface::default()).contains('\u{1b}'));
        let surface = Surface { color: true, ..Surface::default() };
        assert!(services().render(surface).contains('\u{1b}'));
    }
}
