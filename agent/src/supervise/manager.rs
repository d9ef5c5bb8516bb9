//! What the service manager is told (sd_notify(3)): that the agent is ready, that it lives, that it stops. Nothing is told
//! where nobody asked.

use std::ffi::{OsStr, OsString};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;
use tracing::warn;

use super::orders::Order;

/// How often a life sign is sent in the time after which the manager takes us for dead.
const SIGNS: u32 = 3;

/// The service manager, if one started us and wants to know.
#[derive(Debug)]
pub(super) struct Manager {
    socket: Option<UnixDatagram>,
    /// After how long without a life sign it ends us.
    patience: Option<Duration>,
}

impl Manager {
    /// The one that the environment names.
    pub(super) fn of_environment() -> Manager {
        Manager::new(|name| std::env::var_os(name))
    }

    fn new(variable: impl Fn(&str) -> Option<OsString>) -> Manager {
        let number = |name: &str| variable(name)?.to_str()?.parse::<u64>().ok();
        let socket = variable("NOTIFY_SOCKET").and_then(|name| match connect(&name) {
            Ok(socket) => Some(socket),
            Err(error) => {
                warn!(%error, "cannot reach the service manager");
                None
            }
        });
        // A process that we were started by may have left it there, meant for itself.
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let patience = number("WATCHDOG_USEC").filter(|usec| ours && *usec > 0).map(Duration::from_micros);
        Manager { socket, patience }
    }

    /// The agent does its work.
    pub(super) fn ready(&self) {
        self.tell("READY=1");
    }

    /// The agent ends, and has been told to.
    pub(super) fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    fn tell(&self, what: &str) {
        // A manager that is stuck must not make us stuck: the socket does not wait.
        if let Some(Err(error)) = self.socket.as_ref().map(|socket| socket.send(what.as_bytes())) {
            warn!(%error, "cannot tell the service manager {what}");
        }
    }

    /// Sends life signs for as long as the agent takes orders. Before each of them the agent's loop has passed a question
    /// to the election thread, and that one has answered.
    async fn feed(&self, orders: mpsc::Sender<Order>) {
        let Some(patience) = self.patience.filter(|_| self.socket.is_some()) else { return };
        let mut signs = tokio::time::interval((patience / SIGNS).max(Duration::from_millis(1)));
        signs.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            signs.tick().await;
            let (answer, alive) = oneshot::channel();
            if orders.send(Order::Ping(answer)).await.is_err() {
                return;
            }
            // Who gives no answer gets no sign sent.
            if alive.await.is_ok() {
                self.tell("WATCHDOG=1");
            }
        }
    }
}

/// Sends life signs from now on.
pub(super) fn watch(manager: Arc<Manager>, orders: mpsc::Sender<Order>) -> JoinHandle<()> {
    tokio::spawn(async move { manager.feed(orders).await })
}

/// A name that begins with `@` is in the abstract namespace.
fn connect(name: &OsStr) -> std::io::Result<UnixDatagram> {
    let address = match name.as_bytes() {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// A manager that listens at `path`, and what it set in our environment.
    fn manager(path: &std::path::Path, more: &[(&str, String)]) -> (UnixDatagram, Manager) {
        let listener = UnixDatagram::bind(path).unwrap();
        listener.set_read_timeout(Some(LIMIT)).unwrap();
        let manager = Manager::new(|name| match name {
            "NOTIFY_SOCKET" => Some(path.as_os_str().to_owned()),
            other => more.iter().find(|(name, _)| *name == other).map(|(_, value)| value.into()),
        });
        (listener, manager)
    }

    fn heard(listener: &UnixDatagram) -> String {
        let mut buffer = [0; 64];
        let length = listener.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    }

    #[test]
    fn it_is_told_what_happens() {
        let dir = tempfile::tempdir().unwrap();
        let (listener, manager) = manager(&dir.path().join("notify"), &[]);
        manager.ready();
        assert_eq!(heard(&listener), "READY=1");
        manager.stopping();
        assert_eq!(heard(&listener), "STOPPING=1");
    }

    #[test]
    fn an_abstract_name_works() {
        let name = format!("vipward-test-{}", std::process::id());
        let listener = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let manager =
            Manager::new(|variable| (variable == "NOTIFY_SOCKET").then(|| format!("@{name}").into()));
        manager.ready();
        assert_eq!(heard(&listener), "READY=1");
    }

    #[test]
    fn a_watchdog_that_is_meant_for_another_process_is_not_fed() {
        let own = std::process::id();
        for (pid, expected) in [(Some(own), true), (None, true), (Some(own + 1), false)] {
            let manager = Manager::new(|name| match name {
                "WATCHDOG_USEC" => Some("30000000".into()),
                "WATCHDOG_PID" => pid.map(|pid| pid.to_string().into()),
                _ => None,
            });
            assert_eq!(manager.patience.is_some(), expected, "{pid:?}");
        }
    }

    #[test]
    fn a_manager_that_is_not_there_stops_nobody() {
        let manager = Manager::new(|name| (name == "NOTIFY_SOCKET").then(|| "/no/such/socket".into()));
        manager.ready();
    }

    /// Every life sign has its answer before it: none is sent for the question that stays without one.
    #[tokio::test]
    async fn life_signs_follow_answers() {
        let dir = tempfile::tempdir().unwrap();
        let watchdog = [("WATCHDOG_USEC", "3000".to_owned())];
        let (listener, manager) = manager(&dir.path().join("notify"), &watchdog);
        let (orders, mut inbox) = mpsc::channel(1);
        let feeding = tokio::spawn(async move { manager.feed(orders).await });
        let mut next = async || match inbox.recv().await {
            Some(Order::Ping(answer)) => answer,
            other => panic!("{other:?}"),
        };
        listener.set_nonblocking(true).unwrap();
        let unanswered = next().await;
        assert_eq!(
            listener.recv(&mut [0; 64]).unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock,
            "it lives before anybody said so"
        );
        drop(unanswered);
        let answered = next().await;
        assert_eq!(
            listener.recv(&mut [0; 64]).unwrap_err().kind(),
            std::io::ErrorKind::WouldBlock,
            "nobody answered"
        );
        answered.send(()).unwrap();
        let _ = next().await;
        assert_eq!(heard(&listener), "WATCHDOG=1");
        drop(inbox);
        feeding.await.unwrap();
    }
}
