//! What is shown: two scenes, each the same six things that happen.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::settings::{Instance, Settings};
use super::site::{Outcome, PROBE_PERIOD, Site};
use super::table;

/// What is allowed on top of a bound: scheduling, and the probe's own period. How long the machine itself stalled
/// is measured and allowed for besides.
pub(super) const MARGIN: Duration = Duration::from_millis(50);

/// Two nodes' configs, as an operator would write them.
pub(super) struct Scene {
    title: &'static str,
    /// The files of n1 and n2.
    pub(super) files: [&'static str; 2],
    /// What they say.
    pub(super) settings: [Settings; 2],
}

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Deed {
    Start,
    ChangeKey,
    StopNginx,
    StartNginx,
    CutLink,
    RestoreLink,
}

impl Deed {
    const ALL: [Deed; 6] =
        [Deed::Start, Deed::ChangeKey, Deed::StopNginx, Deed::StartNginx, Deed::CutLink, Deed::RestoreLink];

    /// What the table says has happened.
    pub(super) fn text(self) -> &'static str {
        match self {
            Deed::Start => "both nodes start",
            Deed::ChangeKey => "a key is changed",
            Deed::StopNginx => "nginx stops on n1",
            Deed::StartNginx => "nginx is back on n1",
            Deed::CutLink => "the link of n1 is cut",
            Deed::RestoreLink => "the link of n1 is back",
        }
    }

    /// Whether n1 is fit to serve afterwards.
    fn leaves_n1_well(self) -> bool {
        matches!(self, Deed::Start | Deed::ChangeKey | Deed::StartNginx | Deed::RestoreLink)
    }
}

impl Scene {
    /// All scenes, in the order in which they are shown.
    pub(super) fn all() -> Result<Vec<Scene>> {
        Ok(vec![
            Scene::new(
                "Master and backup: one VIP",
                [
                    include_str!("../../../tests/lab/master-backup/n1.conf"),
                    include_str!("../../../tests/lab/master-backup/n2.conf"),
                ],
            )?,
            Scene::new(
                "Dual master: two VIPs, each node master of one",
                [
                    include_str!("../../../tests/lab/dual-master/n1.conf"),
                    include_str!("../../../tests/lab/dual-master/n2.conf"),
                ],
            )?,
        ])
    }

    fn new(title: &'static str, files: [&'static str; 2]) -> Result<Scene> {
        let settings = [Settings::read(files[0])?, Settings::read(files[1])?];
        Ok(Scene { title, files, settings })
    }

    /// Sets the scene up and lets everything happen. Nothing if somebody interrupted it; `good` becomes false when
    /// a step did not do what it should. The site is handed back as it is in the end.
    pub(super) fn play(self, agent: &Path, etcd: bool, good: &mut bool) -> Result<Option<Site>> {
        let (title, mut explanations) = (self.title, self.explanations());
        let mut site = Site::build(self, agent, etcd)?;
        explanations.push(format!("both nodes render a page from {}", site.store()));
        table::heading(title, &explanations);
        for deed in Deed::ALL {
            match site.perform(deed)? {
                Outcome::Good => {}
                Outcome::Bad(why) => {
                    *good = false;
                    println!("\n{why}");
                    if deed == Deed::Start {
                        // Without a start the rest would only repeat it.
                        break;
                    }
                }
                Outcome::Interrupted => return Ok(None),
            }
        }
        Ok(Some(site))
    }

    /// The VIPs' instances as one node (0 is n1) has them.
    pub(super) fn instances(&self, node: usize) -> &[Instance] {
        self.settings.get(node).map_or(&[], |settings| &settings.instances)
    }

    /// Which node should serve the VIP with this number after `deed`.
    pub(super) fn owner(&self, vip: usize, deed: Deed) -> usize {
        let priority =
            |node| self.instances(node).get(vip).map_or(0, |instance: &Instance| instance.priority);
        usize::from(!deed.leaves_n1_well() || priority(0) < priority(1))
    }

    /// The states that n1 and n2 should be in.
    pub(super) fn states(&self, vip: usize, deed: Deed) -> [&'static str; 2] {
        let owner = self.owner(vip, deed);
        let idle = if deed == Deed::CutLink { "FAULT" } else { "BACKUP" };
        if owner == 0 { ["MASTER", "BACKUP"] } else { [idle, "MASTER"] }
    }

    /// How long the client may go without a page of this VIP because of `deed`; nothing while it is starting.
    ///
    /// A node that comes back takes its VIP over while the other one still serves it: that makes no gap at all.
    pub(super) fn bound(&self, vip: usize, deed: Deed) -> Option<Duration> {
        let moved = self.owner(vip, Deed::Start) == 0;
        let [first, second] = &self.settings;
        let waits = second.instances.get(vip).map_or(Duration::ZERO, Instance::master_down);
        match deed {
            Deed::Start => None,
            Deed::StopNginx if moved => Some(first.check_interval * first.fall + waits),
            Deed::CutLink if moved => Some(waits),
            _ => Some(Duration::ZERO),
        }
    }

    /// Where the bounds come from, for the heading.
    fn explanations(&self) -> Vec<String> {
        let [first, second] = &self.settings;
        let Some(waits) = second.instances.first() else { return Vec::new() };
        let (interval, check) =
            (table::duration(waits.advert_interval), table::duration(first.check_interval));
        vec![
            format!(
                "n2 waits 3 x {interval} + (256 - {}) / 256 x {interval} = {} for a silent master \
                 (Master_Down_Interval)",
                waits.priority,
                table::duration(waits.master_down()),
            ),
            format!(
                "the check of nginx fails after {} x {check}; a node that returns takes over without a gap",
                first.fall
            ),
            format!(
                "gap: the longest time without a page, asked for every {}; margin {}",
                table::duration(PROBE_PERIOD),
                table::duration(MARGIN)
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_follow_from_the_files() {
        let scenes = Scene::all().unwrap();
        let [single, dual] = &scenes[..] else { panic!("two scenes") };
        let ms = |bound: Option<Duration>| bound.map(|bound| bound.as_millis());
        assert_eq!(ms(single.bound(0, Deed::Start)), None);
        assert_eq!(ms(single.bound(0, Deed::StopNginx)), Some(2_000 + 3_609));
        assert_eq!(ms(single.bound(0, Deed::CutLink)), Some(3_609));
        assert_eq!(ms(single.bound(0, Deed::RestoreLink)), Some(0));
        assert_eq!(ms(single.bound(0, Deed::ChangeKey)), Some(0));
        assert_eq!(ms(dual.bound(0, Deed::CutLink)), Some(360));
        assert_eq!(ms(dual.bound(1, Deed::CutLink)), Some(0), "n2's own VIP does not move");
    }

    #[test]
    fn each_vip_has_its_owner_and_goes_to_n2_when_n1_is_unwell() {
        let scenes = Scene::all().unwrap();
        let dual = &scenes[1];
        assert_eq!(dual.states(0, Deed::Start), ["MASTER", "BACKUP"]);
        assert_eq!(dual.states(1, Deed::Start), ["BACKUP", "MASTER"]);
        assert_eq!(dual.states(0, Deed::StopNginx), ["BACKUP", "MASTER"]);
        assert_eq!(dual.states(1, Deed::CutLink), ["FAULT", "MASTER"]);
        assert_eq!(dual.owner(0, Deed::RestoreLink), 0);
    }

    #[test]
    fn the_nodes_agree_on_what_they_share() {
        for scene in Scene::all().unwrap() {
            let shared = |node: usize| -> Vec<_> {
                scene.instances(node).iter().map(|i| (i.vrid, i.advert_interval, i.vip)).collect()
            };
            assert_eq!(shared(0), shared(1), "{}", scene.title);
        }
    }
}
