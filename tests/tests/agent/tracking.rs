//! What rules a master out, or lowers it: scripts and interfaces.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use vipward_tests::lab::clock::Moment;
use vipward_tests::peers::{Form, Kind, Pair, Side};

use crate::seen::{advertised, instance, make_lan, state};

/// A check script that an operator could have written, and the knobs to make it fail.
struct Check {
    ill: PathBuf,
    ill_once: PathBuf,
    runs: PathBuf,
}

impl Check {
    /// Writes the script to A's folder and has A track it.
    fn add(pair: &mut Pair, settings: &str) -> Result<Check> {
        let folder = pair.a.host.folder();
        let [ill, ill_once, runs] = ["ill", "ill-once", "runs"].map(|name| folder.join(name));
        let text = format!(
            "#!/bin/sh\n\
             if [ -e {ill} ] || rm {once} 2>/dev/null; then echo bad >>{runs}; exit 1; fi\n\
             echo good >>{runs}\n",
            ill = ill.display(),
            once = ill_once.display(),
            runs = runs.display(),
        );
        let script = pair.a.host.write("check.sh", &text)?;
        let script = format!(
            "vrrp_script web {{\n    script {}\n    interval 1\n    {settings}\n}}",
            script.display()
        );
        let conf = pair.a.conf.clone().global("script_user root").global("enable_script_security");
        pair.a.conf = conf.block(script).with("track_script {\n        web\n    }");
        Ok(Check { ill, ill_once, runs })
    }

    fn falls_ill(&self) -> Result<()> {
        fs::write(&self.ill, "").context("cannot make the check fail")
    }

    fn recovers(&self) -> Result<()> {
        fs::remove_file(&self.ill).context("cannot make the check succeed")
    }

    fn fails_once(&self) -> Result<()> {
        fs::write(&self.ill_once, "").context("cannot make the check fail once")
    }

    /// Runs so far that ended in this way.
    fn count(&self, word: &str) -> usize {
        lines(&self.runs).iter().filter(|line| *line == word).count()
    }
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// `weight` on top of `base` makes 150 while the check succeeds, and 90 when it fails.
fn weighs(kind: Kind, base: &str, weight: &str) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    let check = Check::add(&mut pair, &format!("fall 2\n    rise 2\n    weight {weight}"))?;
    pair.a.conf = pair.a.conf.clone().set(&format!("priority {base}"));
    pair.a.start()?;
    pair.b.start()?;
    pair.settles_on(Side::A)?;
    pair.wait("the check's success to count", || advertised(&pair, &pair.a.host, 150, Moment::default()))?;

    // One failure is no fall.
    let settled = Moment::now();
    check.fails_once()?;
    let good = check.count("good");
    pair.wait("a failure and a success after it", || check.count("bad") == 1 && check.count("good") > good)?;
    pair.ensure(!advertised(&pair, &pair.a.host, 90, settled), || "one failure sufficed to fall".to_owned())?;

    check.falls_ill()?;
    pair.wait("the priority to fall", || advertised(&pair, &pair.a.host, 90, settled))?;
    pair.ensure(check.count("bad") >= 3, || "it fell before the second failure".to_owned())?;
    pair.settles_on(Side::B)?;
    if matches!(kind, Kind::Vipward(_)) {
        let now = instance(&pair.a)?;
        pair.ensure(now.effective_priority == 90 && now.state == "BACKUP", || format!("{now:?}"))?;
    }

    let good = check.count("good");
    check.recovers()?;
    pair.settles_on(Side::A)?;
    pair.ensure(check.count("good") >= good + 2, || "it rose before the second success".to_owned())
}

#[test]
fn keepalived_falls_and_rises_by_a_negative_weight() -> Result<()> {
    weighs(Kind::Keepalived, "150", "-60")
}

#[test]
fn a_negative_weight_lowers_a_failing_master() -> Result<()> {
    weighs(Kind::Vipward("auto"), "150", "-60")
}

#[test]
fn keepalived_falls_and_rises_by_a_positive_weight() -> Result<()> {
    weighs(Kind::Keepalived, "90", "60")
}

#[test]
fn a_positive_weight_raises_a_healthy_master() -> Result<()> {
    weighs(Kind::Vipward("auto"), "90", "60")
}

/// Without a weight, failure is a fault: the master resigns and does not even listen.
fn faults(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    let check = Check::add(&mut pair, "fall 1\n    rise 1")?;
    pair.a.start()?;
    pair.b.start()?;
    pair.settles_on(Side::A)?;
    let event = Moment::now();
    check.falls_ill()?;
    pair.succeeds_a_resigned_master(Side::B, event)?;
    pair.settles_on(Side::B)?;
    if matches!(kind, Kind::Vipward(_)) {
        let now = instance(&pair.a)?;
        let named = now.fault.as_deref().is_some_and(|fault| fault.contains("web"));
        pair.ensure(now.state == "FAULT" && named, || format!("{now:?}"))?;
    }
    // Nor does it take over when nobody else is left.
    let event = Moment::now();
    let bad = check.count("bad");
    pair.b.kill();
    pair.wait("a check after the other's death", || check.count("bad") >= bad + 2)?;
    pair.ensure(pair.adverts("n1", event) == 0, || "it served in spite of its fault".to_owned())?;
    check.recovers()?;
    pair.serves(Side::A)
}

#[test]
fn keepalived_resigns_when_a_script_without_weight_fails() -> Result<()> {
    faults(Kind::Keepalived)
}

#[test]
fn a_script_without_weight_is_a_fault() -> Result<()> {
    faults(Kind::Vipward("auto"))
}

/// The line of so many tutorials. keepalived looks for a program called `[[` and silently disables the check.
#[test]
fn shell_syntax_does_what_its_author_meant() -> Result<()> {
    let mut pair = Pair::new(Form::V3, Kind::Vipward("auto"), Kind::Keepalived)?;
    let pid = pair.a.host.write("nginx.pid", "1\n")?;
    let script = format!("\"[[ -f {} ]] && exit 0 || exit 1\"", pid.display());
    let conf = pair.a.conf.clone().global("script_user root");
    let conf =
        conf.block(format!("vrrp_script web {{\n    script {script}\n    interval 1\n    weight -60\n}}"));
    pair.a.conf = conf.with("track_script {\n        web\n    }");
    pair.a.start()?;
    pair.b.start()?;
    pair.settles_on(Side::A)?;
    fs::remove_file(&pid)?;
    pair.settles_on(Side::B)?;
    fs::write(&pid, "1\n")?;
    pair.settles_on(Side::A)
}

/// A check that hangs has failed, and does not pile up.
fn hangs(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    let flag = pair.a.host.folder().join("hang");
    let text = format!("#!/bin/sh\n[ ! -e {} ] || exec sleep 3600\n", flag.display());
    let script = pair.a.host.write("check.sh", &text)?.display().to_string();
    let conf = pair.a.conf.clone().global("script_user root");
    let block =
        format!("vrrp_script web {{\n    script {script}\n    interval 1\n    timeout 1\n    weight -60\n}}");
    pair.a.conf = conf.block(block).with("track_script {\n        web\n    }");
    pair.a.start()?;
    pair.b.start()?;
    pair.settles_on(Side::A)?;
    fs::write(&flag, "")?;
    pair.settles_on(Side::B)?;
    fs::remove_file(&flag)?;
    pair.settles_on(Side::A)
}

#[test]
fn keepalived_counts_a_script_that_hangs_as_failed() -> Result<()> {
    hangs(Kind::Keepalived)
}

#[test]
fn a_script_that_hangs_has_failed() -> Result<()> {
    hangs(Kind::Vipward("auto"))
}

fn interface(kind: Kind) -> Result<()> {
    let mut pair = Pair::new(Form::V3, kind, Kind::Keepalived)?;
    make_lan(&pair.a.host)?;
    pair.a.conf = pair.a.conf.clone().with("track_interface {\n        lan0\n    }");
    pair.a.start()?;
    pair.b.start()?;
    pair.settles_on(Side::A)?;
    let event = Moment::now();
    pair.a.host.ip("link set dev lan0 down\n")?;
    pair.succeeds_a_resigned_master(Side::B, event)?;
    if matches!(kind, Kind::Vipward(_)) {
        pair.wait("FAULT", || state(&pair.a).as_deref() == Some("FAULT"))?;
        let fault = instance(&pair.a)?.fault.unwrap_or_default();
        pair.ensure(fault.contains("lan0"), || format!("the status does not name the interface: {fault}"))?;
    }
    pair.a.host.ip("link set dev lan0 up\n")?;
    pair.settles_on(Side::A)
}

#[test]
fn keepalived_resigns_when_a_tracked_interface_goes_down() -> Result<()> {
    interface(Kind::Keepalived)
}

#[test]
fn a_tracked_interface_that_goes_down_is_a_fault() -> Result<()> {
    interface(Kind::Vipward("auto"))
}
