//! The command line: nginx's letters, because that is what hands know, each with a long name.

use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::*;

use crate::call::{self, Body, Call};
use crate::control::Request;

/// What `-h` prints.
pub const HELP: &str = "\
tidegate: a small event-driven TCP server

usage: tidegate [options]                 serve
       tidegate -t | -T | -s WORD         check, dump, or signal a running server
       tidegate ping HOST:PORT            ask a frame service whether it is there
       tidegate call HOST:PORT CODE [--hex BYTES | --file F | -]
                                          send it a frame with this body, print the body of the answer

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
exit codes: 0 fine, 64 usage, 65 too long to send, 66 no such file, 69 in use or not running,
            70 workers kept dying, 71 system error, 73 cannot create, 76 refused by a frame service,
            77 not permitted, 78 configuration
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
    /// [`Options::call`] says what.
    Call,
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
    /// With `call` and `ping`.
    pub call: Option<Call>,
    /// Nothing was given at all: someone who wants to see what this is.
    pub bare: bool,
}

/// Reads the words after the program's name.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Options, lexopt::Error> {
    let mut options = Options { bare: true, ..Options::default() };
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.next()? {
        let is_first = std::mem::take(&mut options.bare);
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
            Value(word) if is_first && word == "ping" => {
                options.call = Some(ping(&mut parser)?);
                Action::Call
            }
            Value(word) if is_first && word == "call" => {
                options.call = Some(asking(&mut parser)?);
                Action::Call
            }
            other => return Err(other.unexpected()),
        };
        options.action = stronger(options.action, action)?;
    }
    if options.json && matches!(options.action, Action::Serve | Action::Dump | Action::Signal(_) | Action::Call) {
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

/// `HOST:PORT`, and nothing behind it.
fn ping(parser: &mut lexopt::Parser) -> Result<Call, lexopt::Error> {
    let to = place(parser)?;
    match parser.next()? {
        Some(other) => Err(other.unexpected()),
        None => Ok(Call { to, code: None, body: Body::Empty }),
    }
}

/// `HOST:PORT CODE` and at most one body.
fn asking(parser: &mut lexopt::Parser) -> Result<Call, lexopt::Error> {
    let to = place(parser)?;
    let code = match parser.next()? {
        Some(Value(word)) => word.parse_with(|text| {
            let hex = text.strip_prefix("0x").map(|digits| u16::from_str_radix(digits, 16));
            hex.unwrap_or_else(|| text.parse())
        })?,
        Some(other) => return Err(other.unexpected()),
        None => return Err("call needs the CODE of a frame, 0 to 65535".into()),
    };
    let mut body = Body::Empty;
    while let Some(word) = parser.next()? {
        let given = match word {
            Long("hex") => {
                let text = parser.value()?.string()?;
                Body::Hex(call::hex(&text).ok_or_else(|| format!("--hex {text}: not pairs of hexadecimal digits"))?)
            }
            Long("file") => Body::File(parser.value()?.into()),
            Value(word) if word == "-" => Body::Stdin,
            other => return Err(other.unexpected()),
        };
        if body != Body::Empty {
            return Err("--hex, --file and - do not go together".into());
        }
        body = given;
    }
    Ok(Call { to, code: Some(code), body })
}

fn place(parser: &mut lexopt::Parser) -> Result<String, lexopt::Error> {
    match parser.next()? {
        Some(Value(word)) => word.string(),
        Some(other) => Err(other.unexpected()),
        None => Err("whom to ask is missing: HOST:PORT".into()),
    }
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
    fn a_call_has_a_place_a_code_and_at_most_one_body() {
        let asks = |words: &str| read(words).map(|options| options.call.unwrap());
        let to = "box:5678".to_string();
        assert_eq!(asks("ping box:5678").unwrap(), Call { to: to.clone(), code: None, body: Body::Empty });
        assert_eq!(asks("call box:5678 17 -").unwrap(), Call { to: to.clone(), code: Some(17), body: Body::Stdin });
        let hex = Call { to: to.clone(), code: Some(17), body: Body::Hex(vec![10, 11]) };
        assert_eq!(asks("call box:5678 0x11 --hex 0a:0B").unwrap(), hex);
        let file = Call { to, code: Some(1), body: Body::File("f".into()) };
        assert_eq!(asks("call box:5678 1 --file=f").unwrap(), file);
        for words in ["ping", "ping a:1 2", "call a:1", "call a:1 65536", "call a:1 1 --hex 0", "call a:1 1 - --file f"]
        {
            assert!(asks(words).is_err(), "{words}");
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
