//! Where a password comes from: a file, standard input, or whoever sits at the
//! terminal; never an argument, for those are seen by others.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, IsTerminal, Read},
    path::PathBuf,
};

use clap::Args;
use console::Term;

use crate::crypto::secret::SecretText;

use super::Failed;

/// No password is longer, nor is what has to be read to find its end.
const LONGEST_LINE: u64 = 4 * 1024;

const NONE: &str = "there is no password";

/// Options of every command that takes a password.
#[derive(Args, Debug)]
pub(super) struct PasswordOptions {
    /// Read a password from standard input; on a terminal it is asked for, and not shown
    #[arg(long, conflicts_with = "password_file")]
    password_stdin: bool,
    /// Read a password from the first line of this file
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

impl PasswordOptions {
    /// The password, if the options say where it is.
    pub(super) fn read(&self) -> Result<Option<SecretText>, Failed> {
        if let Some(file) = &self.password_file {
            let fault = |fault| format!("{}: {fault}", file.display());
            return Ok(Some(first_line(File::open(file).map_err(fault)?, NONE).map_err(fault)?));
        }
        if !self.password_stdin {
            return Ok(None);
        }
        match asked("Password: ")? {
            Some(password) => Ok(Some(password)),
            None => Ok(Some(first_line(io::stdin(), NONE)?)),
        }
    }
}

/// The password that somebody at the terminal types; none where there is no terminal.
pub(super) fn asked(question: &str) -> Result<Option<SecretText>, Failed> {
    let terminal = Term::stderr();
    if !terminal.is_term() || !io::stdin().is_terminal() {
        return Ok(None);
    }
    terminal.write_str(question)?;
    Ok(Some(SecretText::new(terminal.read_secure_line()?)))
}

/// A secret that stands in a line of its own; what to say where there is none.
pub(super) fn first_line(from: impl Read, none: &str) -> io::Result<SecretText> {
    let mut line = String::new();
    BufReader::new(from.take(LONGEST_LINE)).read_line(&mut line)?;
    let secret = SecretText::new(line.trim_end_matches(['\r', '\n']));
    if secret.expose().is_empty() { Err(io::Error::other(none)) } else { Ok(secret) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line_and_nothing_is_none() {
        for (text, password) in [("open sesame\r\nmore", "open sesame"), (" a ", " a ")] {
            assert_eq!(first_line(text.as_bytes(), NONE).unwrap().expose(), password);
        }
        assert!(first_line(&b"\n"[..], NONE).is_err() && first_line(&b""[..], NONE).is_err());
    }
}
