//! `smtp_alert`: what people are told by mail.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use lettre::Address;
use nix::unistd::{User, geteuid};
use tracing::warn;

use super::{host, router_id};
use crate::check::mail::{Letter, MailSpec, Mailer};
use crate::check::notify::{Subject, Told};
use crate::config::model::{Config, Mail};
use crate::election::message::Transition;

/// Who is told of what.
#[derive(Debug, Default)]
pub(super) struct Alerts {
    spec: Option<Arc<MailSpec>>,
    router_id: String,
    /// Faults are told too.
    faults: bool,
    /// Whom mail is sent about.
    subjects: HashSet<Subject>,
    mailer: Mailer,
}

impl Alerts {
    /// Takes over what `config` says. Mail that waits is sent as it was meant.
    pub(super) fn configure(&mut self, config: &Config) {
        self.router_id = router_id(config);
        let mail = config.globals.mail.as_ref();
        self.faults = mail.is_some_and(|mail| mail.faults);
        self.spec = mail.and_then(spec).map(Arc::new);
        let instances = config.instances.iter().filter(|instance| instance.smtp_alert);
        let groups = config.groups.iter().filter(|group| group.smtp_alert);
        self.subjects = instances
            .map(|instance| Subject::Instance(instance.name.clone()))
            .chain(groups.map(|group| Subject::Group(group.name.clone())))
            .collect();
    }

    /// Mails what is told, and the transition behind it if there is one. Never waits.
    pub(super) fn tell(
        &mut self,
        subject: &Subject,
        told: Told,
        priority: u8,
        transition: Option<&Transition>,
    ) {
        let Some(spec) = self.spec.clone().filter(|_| self.subjects.contains(subject)) else { return };
        let Some((state, meaning)) = words(told).filter(|_| told != Told::Fault || self.faults) else {
            return;
        };
        let (kind, name) = match subject {
            Subject::Instance(name) => ("instance", name),
            Subject::Group(name) => ("group", name),
        };
        let heading = format!("[{}] {kind} {name} {state}", self.router_id);
        let mut body = format!("On {}, {kind} {name} {state}: {meaning}.\n", self.router_id);
        if let Some(Transition { from, why, master, .. }) = transition {
            let _ = writeln!(body, "\nState before: {from}\nReason: {why}");
            if let Some((address, priority)) = master {
                let _ = writeln!(body, "Master: {address} with priority {priority}");
            }
        }
        // A group has none.
        if priority > 0 {
            let _ = writeln!(body, "Priority here: {priority}");
        }
        self.mailer.post(Letter { spec, subject: heading, body });
    }

    /// Lets what waits be sent for `grace`.
    pub(super) async fn shutdown(self, grace: Duration) {
        self.mailer.shutdown(grace).await;
    }
}

/// A state and what it means; none for what is not mailed, which is what keepalived does not mail either.
fn words(told: Told) -> Option<(&'static str, &'static str)> {
    match told {
        Told::Master => Some(("is MASTER", "this node serves the virtual addresses now")),
        Told::Backup => {
            Some(("is BACKUP", "this node watches, and another one serves the virtual addresses"))
        }
        Told::Fault => Some(("is in FAULT", "this node cannot serve the virtual addresses")),
        Told::Stop | Told::Deleted | Told::LowerPriority => None,
    }
}

fn spec(mail: &Mail) -> Option<MailSpec> {
    let from = mail.from.clone().unwrap_or_else(|| {
        let user =
            User::from_uid(geteuid()).ok().flatten().map_or_else(|| "root".to_owned(), |user| user.name);
        format!("{user}@{}", host())
    });
    // The host's name may be none that mail knows.
    let from = from.parse().or_else(|_| "root@localhost".parse::<Address>());
    let to: Result<Vec<Address>, _> = mail.to.iter().map(|address| address.parse()).collect();
    match (from, to) {
        (Ok(from), Ok(to)) => Some(MailSpec {
            server: mail.server.clone(),
            port: mail.port,
            helo: mail.helo.clone().unwrap_or_else(host),
            timeout: mail.timeout,
            from,
            to,
        }),
        (Err(error), _) | (_, Err(error)) => {
            warn!("no mail is sent: {error}");
            None
        }
    }
}
