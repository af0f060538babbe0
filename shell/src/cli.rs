//! The command line: nginx's letters, because that is what hands know, each with a long name.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::control::Request;

/// What `-h` prints.
pub const HELP: &str = "\
tidegate: a small event-driven TCP server

usage: tidegate [options]                 serve
       tidegate -t | -T | -s WORD         check, dump, or signal a running server

  -c, --config FILE         configuration file (without it: the built-in default, on loopback)
  -p, --prefix DIR          directory that paths in the configuration start from (default: current)
  -g, --set SECTION.KEY=V   set a key as if it stood in the file; may be repeated
  -e, --error-log FILE      log to FILE, or to 'stderr', whatever the configuration says
  -q, --quiet               say nothing at start, and with -t only errors
  -t, --test                check the configuration, print what it costs, and leave
      --json                with -t or -s status, print it as JSON
  -T, --dump                check it, and print it with every default filled in
  -s, --signal WORD         tell the running server: stop (now), quit (once its connections are done),
                            reload (its configuration), reopen (its log, after the file was renamed),
                            upgrade (start the program that lies in its place now, and make way for it);
                            or ask it for its status
  -v, --version             print the version
  -V, --build               print the version and how it was built
  -h, --help                print this
      --help-conf           print every configuration key

signals: TERM and INT stop, QUIT drains and stops, HUP reloads, USR1 reopens the log,
         USR2 upgrades, WINCH drains the workers until a HUP
exit codes: 0 fine, 64 usage, 66 no such file, 69 in use or not running, 70 workers kept dying,
            71 system error, 73 cannot create, 77 not permitted, 78 configuration
";

/// What the program is asked to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Action {
    #[default]
    Serve,
    Test,
    Dump,
    Signal(Request),
    Status,
    Version,
    Build,
    Help,
    HelpConf,
}

/// The command line, read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Options {
    pub action: Action,
    pub config: Option<PathBuf>,
    pub prefix: Option<PathBuf>,
    /// `Section.Key=value`, in order.
    pub set: Vec<String>,
    pub error_log: Option<PathBuf>,
    pub quiet: bool,
    /// The price, or the status, for programs.
    pub json: bool,
    /// Nothing was given at all: someone who wants to see what this is.
    pub bare: bool,
}

/// Reads the words after the program's name.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Options, lexopt::Error> {
    let mut options = Options { bare: true, ..Options::default() };
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.next()? {
        options.bare = false;
        let action = match word {
            Short('c') | Long("config") => {
                options.config = Some(parser.value()?.into());
                continue;
            }
            Short('p') | Long("prefix") => {
                options.prefix = Some(parser.value()?.into());
                continue;
            }
            Short('g') | Long("set") => {
                options.set.push(parser.value()?.string()?);
                continue;
            }
            Short('e') | Long("error-log") => {
                options.error_log = Some(parser.value()?.into());
                continue;
            }
            Short('q') | Long("quiet") => {
                options.quiet = true;
                continue;
            }
            Long("json") => {
                options.json = true;
                continue;
            }
            Short('t') | Long("test") => Action::Test,
            Short('T') | Long("dump") => Action::Dump,
            Short('s') | Long("signal") => asked(&parser.value()?.string()?)?,
            Short('v') | Long("version") => Action::Version,
            Short('V') | Long("build") => Action::Build,
            Short('h') | Long("help") => Action::Help,
            Long("help-conf") => Action::HelpConf,
            other => return Err(other.unexpected()),
        };
        options.action = stronger(options.action, action)?;
    }
    if options.json && matches!(options.action, Action::Serve | Action::Dump | Action::Signal(_)) {
        return Err("--json goes with -t and with -s status".into());
    }
    Ok(options)
}

/// What `-s` asks for by this name.
fn asked(name: &str) -> Result<Action, lexopt::Error> {
    let request = || Request::named(name).map(Action::Signal);
    let status = (name == "status").then_some(Action::Status);
    status
        .or_else(request)
        .ok_or_else(|| format!("-s {name}: not known; it is stop, quit, reload, reopen, upgrade or status").into())
}

/// Help and version win over everything; otherwise two different actions are a mistake.
fn stronger(one: Action, other: Action) -> Result<Action, lexopt::Error> {
    let informs = |action| matches!(action, Action::Help | Action::HelpConf | Action::Version | Action::Build);
    match (one, other) {
        (Action::Serve, other) => Ok(other),
        (one, _) if informs(one) => Ok(one),
        (_, other) if informs(other) => Ok(other),
        (Action::Test | Action::Dump, Action::Test | Action::Dump) => Ok(Action::Dump),
        (one, other) if one == other => Ok(one),
        _ => Err("-t, -T and -s do not go together".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Options, String> {
        parse(words.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn short_long_glued_and_repeated_options_are_read() {
        let options = read("-c a.conf --prefix=/srv -g Process.Workers=2 -gLog.Level=debug -e err.log -q -t").unwrap();
        assert_eq!(options.config, Some("a.conf".into()));
        assert_eq!(options.prefix, Some("/srv".into()));
        assert_eq!(options.set, ["Process.Workers=2", "Log.Level=debug"]);
        assert_eq!(options.error_log, Some("err.log".into()));
        assert!(options.quiet && !options.bare);
        assert_eq!(options.action, Action::Test);
        assert!(read("").unwrap().bare);
    }

    #[test]
    fn actions_are_one_at_a_time_and_help_wins() {
        assert_eq!(read("-s stop").unwrap().action, Action::Signal(Request::Stop));
        assert_eq!(read("--signal quit").unwrap().action, Action::Signal(Request::Quit));
        assert_eq!(read("-t -T").unwrap().action, Action::Dump);
        assert_eq!(read("-t -h -s stop").unwrap().action, Action::Help);
        assert!(read("-t -s stop").is_err());
        assert!(read("-s stop -s quit").is_err());
        assert_eq!(read("-s status").unwrap().action, Action::Status);
        assert!(read("-t --json").unwrap().json && read("-s status --json").unwrap().json);
        for words in ["--json", "-T --json", "-s reload --json", "-s status -s reload"] {
            assert!(read(words).is_err(), "{words}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (words, names) in [("-x", "-x"), ("--conf a", "--conf"), ("-c", "-c"), ("extra", "extra"), ("-s up", "up")]
        {
            let text = read(words).unwrap_err();
            assert!(text.contains(names), "{words}: {text}");
        }
    }
}
