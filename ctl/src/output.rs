//! The one door to standard output and standard error.
//!
//! Results go to standard output in the format that was asked for; everything said along the way goes to standard
//! error, so that a script reads only what it asked for. A closed pipe ends the command without a word.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the command line prints here and nowhere else"
)]

use std::io::{IsTerminal as _, Write as _};

use clap::ValueEnum;

use crate::failure::Failure;
use crate::json::{self, Described};
use crate::table::{Surface, Table};

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    // Plain comments: documented values would double the length of every help text.
    // For people: aligned columns, as many as fit.
    Table,
    // The same with every column.
    Wide,
    // As the AWS API shapes it.
    Json,
    Yaml,
    // Only the names or ids, one a line.
    Name,
}

/// When colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    // On a terminal, unless NO_COLOR is set.
    Auto,
    // Also into a pipe.
    Always,
    Never,
}

/// Where and how this run prints.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) format: Format,
    quiet: bool,
    color: bool,
    error_color: bool,
    width: Option<u16>,
    live: bool,
}

/// A colour or weight, as a terminal writes it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ink {
    Bold,
    Dim,
    Red,
    Green,
    /// One of six that are easy to tell apart, by number.
    Lane(usize),
}

// === impl Ink ===

impl Ink {
    fn code(self) -> &'static str {
        const LANES: [&str; 6] = ["36", "33", "35", "32", "34", "31"];
        match self {
            Self::Bold => "1",
            Self::Dim => "2",
            Self::Red => "1;31",
            Self::Green => "32",
            Self::Lane(number) => LANES[number % LANES.len()],
        }
    }
}

// === impl Output ===

impl Output {
    /// Looks at the terminal once.
    pub(crate) fn new(format: Format, color: ColorChoice, quiet: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let colored = |terminal: bool| match color {
            ColorChoice::Auto => terminal && !plain,
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        };
        let terminal = std::io::stdout().is_terminal();
        let error_terminal = std::io::stderr().is_terminal();
        Self {
            format,
            quiet,
            color: colored(terminal),
            error_color: colored(error_terminal),
            width: terminal.then(|| comfy_table::Table::new().width()).flatten().filter(|width| *width > 0),
            live: error_terminal && !plain,
        }
    }

    /// True when people read the result, not a program.
    pub(crate) fn is_for_people(&self) -> bool {
        matches!(self.format, Format::Table | Format::Wide)
    }

    /// True when standard error is a terminal on which a line can be redrawn.
    pub(crate) fn is_live(&self) -> bool {
        self.live && !self.quiet
    }

    /// What tables are to be fitted to.
    pub(crate) fn surface(&self) -> Surface {
        Surface { width: self.width, color: self.color, wide: self.format == Format::Wide }
    }

    /// Text in an ink, for standard output.
    pub(crate) fn ink(&self, ink: Ink, text: &str) -> String {
        inked(self.color, ink, text)
    }

    /// Text in an ink, for standard error.
    pub(crate) fn error_ink(&self, ink: Ink, text: &str) -> String {
        inked(self.error_color, ink, text)
    }

    /// A result: a document for programs, names, or what `people` makes of it.
    pub(crate) fn result<M: Described>(
        &self,
        message: &M,
        names: impl FnOnce() -> Vec<String>,
        people: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        self.document(&json::render(message), names, people)
    }

    /// The same for anything that serialises.
    pub(crate) fn document(
        &self,
        document: &impl serde::Serialize,
        names: impl FnOnce() -> Vec<String>,
        people: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Table | Format::Wide => self.text(&people()),
            Format::Json | Format::Yaml => self.text(&self.serialised(document)?),
            Format::Name => {
                let mut text = names().join("\n");
                if !text.is_empty() {
                    text.push('\n');
                }
                self.text(&text)
            }
        }
    }

    /// A table, or a sentence on standard error when it has no rows.
    pub(crate) fn table(&self, table: &Table, when_empty: &str) -> String {
        if table.is_empty() {
            if !when_empty.is_empty() {
                self.note(when_empty);
            }
            return String::new();
        }
        table.render(self.surface())
    }

    /// One record of a stream: a line of JSON, a YAML document, or what `people` makes of it.
    pub(crate) fn record<M: Described>(
        &self,
        message: &M,
        people: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.json_line(&json::render(message)),
            Format::Yaml => self.text(&format!("---\n{}", self.serialised(&json::render(message))?)),
            Format::Table | Format::Wide | Format::Name => self.line(&people()),
        }
    }

    /// One value on a line of its own.
    pub(crate) fn json_line(&self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let text =
            serde_json::to_string(value).map_err(|error| Failure::usage(format!("writing JSON: {error}")))?;
        self.line(&text)
    }

    fn serialised(&self, document: &impl serde::Serialize) -> Result<String, Failure> {
        if self.format == Format::Yaml {
            return serde_yaml_ng::to_string(document)
                .map_err(|error| Failure::usage(format!("writing YAML: {error}")));
        }
        let mut text = serde_json::to_string_pretty(document)
            .map_err(|error| Failure::usage(format!("writing JSON: {error}")))?;
        text.push('\n');
        Ok(text)
    }

    /// A line on standard output.
    pub(crate) fn line(&self, line: &str) -> Result<(), Failure> {
        self.text(&format!("{line}\n"))
    }

    /// Text on standard output, as it is.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(Failure::closed_pipe()),
            Err(error) => Err(Failure::usage(format!("writing to standard output: {error}"))),
        }
    }

    /// A remark on standard error; `--quiet` keeps it back.
    pub(crate) fn note(&self, line: &str) {
        if !self.quiet {
            self.say(line);
        }
    }

    /// What went wrong and what to do about it, on standard error.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.silent {
            return;
        }
        self.say(&format!("{} {}", self.error_ink(Ink::Red, "error:"), failure.message));
        if let Some(hint) = &failure.hint {
            self.say(&format!("{} {hint}", self.error_ink(Ink::Green, "hint:")));
        }
    }

    /// Standard error may be closed as well; there is nobody left to tell.
    fn say(&self, line: &str) {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }
}

fn inked(color: bool, ink: Ink, text: &str) -> String {
    if color { format!("\u{1b}[{}m{text}\u{1b}[0m", ink.code()) } else { text.to_owned() }
}
