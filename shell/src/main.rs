//! The program: reads the command line and does the one thing it asks for.

#![deny(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;

use tidegate::cli::{self, Action, HELP, Options};
use tidegate::exit::{self, Failure};
use tidegate::handover::Inheritance;
use tidegate::os::exec::Origin;
use tidegate::os::{alloc, clock, process, title};
use tidegate::price::{self, Machine};
use tidegate::start::{self, Start};
use tidegate::{call, conf, control, log, services};
use tidegate_core::status::Form;

#[global_allocator]
static ALLOCATOR: alloc::Sealable = alloc::Sealable;

fn main() -> ExitCode {
    // A closed descriptor 2 would become a socket's number, and the log would be sent to a client.
    let _ = process::fill_stdio();
    log::init();
    clock::init();
    let code = match cli::parse(std::env::args_os().skip(1)) {
        Ok(options) => act(&options).unwrap_or_else(|failure| {
            say(&failure.text);
            failure.code
        }),
        Err(error) => {
            say(&format!("{error}; usage: tidegate [options], and tidegate -h shows them"));
            exit::USAGE
        }
    };
    ExitCode::from(code)
}

fn act(options: &Options) -> Result<u8, Failure> {
    match options.action {
        Action::Help => print(HELP),
        Action::HelpConf => print(&conf::help()),
        Action::Version => print(concat!("tidegate ", env!("CARGO_PKG_VERSION"), "\n")),
        Action::Build => print(&build()),
        Action::Test => {
            let loaded = conf::load(options)?;
            let price = price::check(&loaded.settings, &Machine::here(), &loaded.name)?;
            price::check_descriptors(&loaded.settings, &loaded.name)?;
            services::check(&loaded.settings, &loaded.name)?;
            match (options.quiet, options.json) {
                (_, true) => print(&price.json()),
                (true, _) => {}
                _ => print(&format!("configuration {} is good\n\n{}", loaded.name, price.table())),
            }
        }
        Action::Dump => {
            let loaded = conf::load(options)?;
            print(&format!("# configuration {} is good\n{}", loaded.name, loaded.dump));
        }
        Action::Signal(request) => {
            let loaded = conf::load(options)?;
            if matches!(request, control::Request::Reload | control::Request::Upgrade) {
                price::check(&loaded.settings, &Machine::here(), &loaded.name)?;
            }
            control::carry_out(&loaded.settings, request)?;
        }
        Action::Status => {
            let form = if options.json { Form::Json } else { Form::Text };
            let loaded = conf::load(options)?;
            print(&control::status(loaded.settings.process.control.as_ref(), form)?);
        }
        Action::Call => {
            let Some(asked) = &options.call else { return Ok(exit::USAGE) };
            let answer = call::call(asked)?;
            let shows_bytes = asked.code.is_some() && std::io::IsTerminal::is_terminal(&std::io::stdout());
            if shows_bytes && !answer.iter().all(|byte| matches!(byte, b'\n' | b' '..=b'~')) {
                print(&call::dump(&answer));
            } else {
                let _ = std::io::stdout().write_all(&answer);
            }
        }
        Action::Serve => {
            let mut inheritance = Inheritance::take()?;
            let outcome = serve(options, &mut inheritance);
            // It failed before it could be told by whoever serves.
            if let (Err(failure), Some(ready)) = (&outcome, inheritance.ready.take()) {
                ready.failed(failure);
            }
            return outcome;
        }
    }
    Ok(exit::OK)
}

fn serve(options: &Options, inheritance: &mut Inheritance) -> Result<u8, Failure> {
    let loaded = conf::load(options)?;
    let origin = Origin::of_this_process();
    // The command line has been read for the last time: its memory now holds the title.
    title::init();
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let wanted = !options.quiet && !loaded.settings.process.daemon && (terminal || options.bare);
    let greet = wanted && inheritance.from.is_none();
    start::run(Start { options, origin: &origin, inheritance, greet }, loaded)
}

fn build() -> String {
    let kind = if cfg!(debug_assertions) { "debug" } else { "release" };
    format!(
        "tidegate {}\nfor {}-{}, {}-bit, {kind}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        if cfg!(target_env = "musl") { "linux-musl" } else { "linux" },
        usize::BITS,
    )
}

/// To standard output; a reader that left early is no failure.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// To standard error: a report as it is, a sentence marked as ours.
fn say(text: &str) {
    let text = if text.ends_with('\n') { text.to_string() } else { format!("tidegate: {text}\n") };
    let _ = std::io::stderr().write_all(text.as_bytes());
}
