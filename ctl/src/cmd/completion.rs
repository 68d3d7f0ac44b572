//! `berth completion`: the script that teaches a shell this command line.

use clap::{Args, CommandFactory as _, ValueEnum};
use clap_complete::Shell;

use crate::args::Cli;
use crate::context::Context;
use crate::failure::{Exit, Failure};

/// Print a completion script for a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  berth completion bash > /etc/bash_completion.d/berth
  berth completion zsh > \"${fpath[1]}/_berth\"
  berth completion fish > ~/.config/fish/completions/berth.fish
  source <(berth completion bash)                for this shell only")]
pub(crate) struct Completion {
    /// The shell
    #[arg(value_enum)]
    shell: CompletionShell,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CompletionShell {
    Bash,
    Zsh,
    Fish,
}

// === impl Completion ===

impl Completion {
    pub(crate) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let shell = match self.shell {
            CompletionShell::Bash => Shell::Bash,
            CompletionShell::Zsh => Shell::Zsh,
            CompletionShell::Fish => Shell::Fish,
        };
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "berth", &mut script);
        context.output.text(&String::from_utf8_lossy(&script))?;
        Ok(Exit::Success)
    }
}
