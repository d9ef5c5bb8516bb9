//! The `vipward` binary.

use std::process::ExitCode;

use clap::Parser;
use vipward::cli::{Cli, Command};
use vipward::control::client;
use vipward::control::protocol::{Request, Response};
use vipward::control::show::{self, Show};
use vipward::render::template;
use vipward::{config, logging, supervise};

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("vipward: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Run(options) => {
            logging::start(options.log_format, options.log_level);
            supervise::run(&options)
        }
        Command::Check(options) => {
            let read = config::Options { lenient: options.lenient };
            Ok(config::report::check(&options.file, &read, &mut std::io::stdout().lock())?)
        }
        Command::Status(options) => {
            show::status(&options.run_dir.run_dir, Show { json: options.json, watch: options.watch })?;
            Ok(0)
        }
        Command::Template(options) => match template::command::run(&options, &mut std::io::stdout().lock()) {
            Ok(()) => Ok(0),
            // As editors and CI read it: the file comes first.
            Err(error) => {
                eprintln!("{error}");
                Ok(1)
            }
        },
        Command::Reload(run_dir) => match client::request(&run_dir.run_dir, &Request::Reload {})? {
            Response::Reloaded(report) => {
                println!("{report}");
                Ok(0)
            }
            Response::Error(why) => anyhow::bail!("{why}"),
            Response::Status(_) => anyhow::bail!("the agent gave an answer to another question"),
        },
    }
}
