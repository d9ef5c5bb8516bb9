//! Everything that the agent knows of itself at one moment.

use std::future::Future;
use std::sync::Arc;
use std::time::SystemTime;

use crate::check::tally::Tally;
use crate::config::model::Config;
use crate::control::status::{State, StatusSnapshot};
use crate::election::figures::Figures;

/// What metrics and the status page are made of.
#[derive(Clone, Debug)]
pub struct Observation {
    /// What `status` answers.
    pub status: StatusSnapshot,
    /// When the agent started.
    pub started: SystemTime,
    /// The last transitions, the newest first.
    pub timeline: Vec<Happened>,
    /// What the election measured of itself.
    pub figures: Figures,
    /// The runs of each health script, by its name.
    pub scripts: Vec<(String, Tally)>,
    /// The runs of all notify scripts.
    pub notified: Tally,
    /// The configuration; none in an agent that only renders.
    pub config: Option<Arc<Config>>,
}

/// A transition in the timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened {
    /// When, RFC 3339.
    pub at: String,
    /// To which instance, by the name it had then.
    pub instance: String,
    /// State before.
    pub from: State,
    /// State after.
    pub to: State,
    /// Why, as a sentence.
    pub why: String,
}

impl Observation {
    /// Of an agent without an election.
    pub fn of_rendering(started: SystemTime, status: StatusSnapshot) -> Observation {
        Observation {
            status,
            started,
            timeline: Vec::new(),
            figures: Figures::new(),
            scripts: Vec::new(),
            notified: Tally::default(),
            config: None,
        }
    }
}

/// Who can be asked.
pub trait Observe: Send + Sync + 'static {
    /// How everything stands. The error is for a person.
    fn observe(&self) -> impl Future<Output = Result<Observation, String>> + Send;
}
