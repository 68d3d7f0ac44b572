//! One thing described for people: labelled lines, and sections below them.

use crate::table::{Surface, Table};

/// A description under construction.
#[derive(Debug, Default)]
pub(crate) struct Details {
    fields: Vec<(String, String)>,
    sections: Vec<(String, Section)>,
}

#[derive(Debug)]
enum Section {
    Table(Table),
    Lines(Vec<String>),
}

// === impl Details ===

impl Details {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// A labelled value; an empty one is left out.
    pub(crate) fn field(&mut self, label: &str, value: impl Into<String>) -> &mut Self {
        let value = value.into();
        if !value.is_empty() {
            self.fields.push((label.to_owned(), value));
        }
        self
    }

    /// The same for what may be absent.
    pub(crate) fn optional(&mut self, label: &str, value: Option<impl ToString>) -> &mut Self {
        match value {
            Some(value) => self.field(label, value.to_string()),
            None => self,
        }
    }

    /// A table below the fields; an empty one is left out.
    pub(crate) fn table(&mut self, title: &str, table: Table) -> &mut Self {
        if !table.is_empty() {
            self.sections.push((title.to_owned(), Section::Table(table)));
        }
        self
    }

    /// Lines below the fields; none are left out.
    pub(crate) fn lines(&mut self, title: &str, lines: Vec<String>) -> &mut Self {
        if !lines.is_empty() {
            self.sections.push((title.to_owned(), Section::Lines(lines)));
        }
        self
    }

    /// The description as text, each line ended.
    pub(crate) fn render(&self, surface: Surface) -> String {
        let label_width = self.fields.iter().map(|(label, _)| label.len()).max().unwrap_or_default() + 1;
        let mut text = String::new();
        for (label, value) in &self.fields {
            text.push_str(&format!("{:label_width$}  {value}\n", format!("{label}:")));
        }
        let inner = Surface { width: surface.width.map(|width| width.saturating_sub(INDENT)), ..surface };
        for (title, section) in &self.sections {
            text.push_str(&format!("{title}:\n"));
            match section {
                Section::Table(table) => indent(&mut text, table.render(inner).lines()),
                Section::Lines(lines) => indent(&mut text, lines.iter().map(String::as_str)),
            }
        }
        text
    }
}

const INDENT: u16 = 2;

fn indent<'a>(text: &mut String, lines: impl Iterator<Item = &'a str>) {
    for line in lines {
        text.push_str("  ");
        text.push_str(line);
        text.push('\n');
    }
}

/// Several descriptions, an empty line between them.
pub(crate) fn render_all(all: &[Details], surface: Surface) -> String {
    all.iter().map(|details| details.render(surface)).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::Keep;

    #[test]
    fn labels_are_aligned_and_empty_values_left_out() {
        let mut table = Table::new(&[("ID", Keep::Always), ("STATUS", Keep::Always)]);
        table.row(["ecs-svc/1".into(), "PRIMARY".into()]);
        let mut details = Details::new();
        details
            .field("Name", "web")
            .field("Role", "")
            .optional("Desired count", Some(3))
            .optional("x", None::<i32>);
        details
            .table("Deployments", table)
            .lines("Events", vec!["started 1 tasks".to_owned()])
            .lines("None", vec![]);
        let expected = "\
Name:           web
Desired count:  3
Deployments:
  ID         STATUS
  ecs-svc/1  PRIMARY
Events:
  started 1 tasks
";
        assert_eq!(details.render(Surface::default()), expected);
    }
}
