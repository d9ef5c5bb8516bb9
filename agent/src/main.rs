//! The `vipward` binary.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use vipward::cli::{self, Cli, Command, Confd};
use vipward::control::show::{self, Show};
use vipward::control::verbs;
use vipward::doctor::{self, Visit};
use vipward::monitor;
use vipward::render::{check, connect, nginx, service, template};
use vipward::{config, guard, journal, kv, logging, supervise};

fn main() -> ExitCode {
    match run(command()) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            eprintln!("vipward: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The command line, which is confd's own if we are called so.
fn command() -> Command {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    if Path::new(&name).file_name() == Some("confd".as_ref()) {
        return Command::Confd(Confd { arguments: arguments.collect() });
    }
    Cli::parse().command
}

fn run(command: Command) -> anyhow::Result<u8> {
    match command {
        Command::Run(options) => {
            let _flush = logging::start(options.log_format, options.log_level);
            supervise::run(&options)
        }
        Command::Check(options) => {
            let config_id = options.config_id.config_id;
            let read = config::Options { lenient: options.lenient, config_id };
            let mut out = std::io::stdout().lock();
            let Some(confdir) = &options.confdir else {
                return Ok(config::report::check(&options.file, &read, &mut out)?);
            };
            let alone = options.render_only || cli::is_absent_default(&options.file);
            let first = if alone { 0 } else { config::report::check(&options.file, &read, &mut out)? };
            Ok(check::check(confdir, &mut out)?.max(first))
        }
        Command::Status(options) => {
            show::status(&options.run_dir.run_dir, Show { json: options.json, watch: options.watch })?;
            Ok(0)
        }
        Command::Events(cli::Events { run_dir, since, json, follow }) => {
            journal::show::events(&run_dir.run_dir, &journal::show::Show { json, follow, since })?;
            Ok(0)
        }
        Command::Explain(options) => {
            verbs::explain(&options.run_dir.run_dir, options.instance.as_deref()).map(|()| 0)
        }
        Command::Doctor(options) => examine(&options),
        Command::Monitor(cli::Monitor { interface, file, config_id, json, count, time }) => {
            let config_id = config_id.config_id;
            let show = monitor::show::Show { interface, file, config_id, json, count, time };
            monitor::show::run(&show, &mut std::io::stdout().lock()).map(|()| 0)
        }
        Command::Reload(run_dir) => verbs::reload(&run_dir.run_dir).map(|()| 0),
        Command::Drain(run_dir) => verbs::drain(&run_dir.run_dir),
        Command::Undrain(run_dir) => verbs::undrain(&run_dir.run_dir).map(|()| 0),
        Command::LogLevel(options) => verbs::log_level(&options.run_dir.run_dir, options.level).map(|()| 0),
        Command::Hold(options) => verbs::hold(&options.run_dir.run_dir, options.keep).map(|()| 0),
        Command::Unfence(run_dir) => verbs::unfence(&run_dir.run_dir).map(|()| 0),
        Command::Guard(options) => guard::run(options.leases, options.keep).map(|()| 0),
        Command::Kv(options) => kv::run(&options, &mut std::io::stdout().lock()),
        Command::Completions(options) => {
            let mut script = Vec::new();
            clap_complete::generate(options.shell, &mut Cli::command(), "vipward", &mut script);
            std::io::stdout().write_all(&script)?;
            Ok(0)
        }
        Command::Confd(Confd { arguments }) => service::confd(arguments, connect::sources),
        Command::NginxCheck(options) => Ok(nginx::check::command(&options)?),
        Command::Template(options) => match template::command::run(&options, &mut std::io::stdout().lock()) {
            Ok(()) => Ok(0),
            // As editors and CI read it: the file comes first.
            Err(error) => {
                eprintln!("{error}");
                Ok(1)
            }
        },
    }
}

fn examine(options: &cli::Doctor) -> anyhow::Result<u8> {
    let visit = Visit {
        file: options.file.clone(),
        config_id: options.config_id.config_id.clone(),
        run_dir: options.run_dir.run_dir.clone(),
        listen: options.listen,
    };
    let report = doctor::examine(&visit);
    let text = if options.json { serde_json::to_string_pretty(&report)? + "\n" } else { report.text() };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(report.worst.exit_status())
}
