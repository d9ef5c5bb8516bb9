//! The numbers of a node's keepalived.conf that the bounds are computed from, so that a changed file changes the
//! bound that is printed next to the measurement. It reads files written as ours are: one setting a line.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result};

/// One node's settings.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Settings {
    /// Seconds between two runs of the check script.
    pub(super) check_interval: Duration,
    /// Failures in a row that make it count as failed.
    pub(super) fall: u32,
    pub(super) instances: Vec<Instance>,
}

/// One `vrrp_instance`.
#[derive(Debug, PartialEq)]
pub(super) struct Instance {
    pub(super) vrid: u8,
    pub(super) priority: u8,
    pub(super) advert_interval: Duration,
    pub(super) vip: IpAddr,
}

/// An instance whose lines are still being read.
#[derive(Default)]
struct Partial {
    vrid: Option<u8>,
    priority: Option<u8>,
    advert_interval: Option<Duration>,
    vip: Option<IpAddr>,
}

impl Settings {
    /// Reads a keepalived.conf.
    pub(super) fn read(text: &str) -> Result<Settings> {
        let mut settings = Settings::default();
        let mut instance: Option<Partial> = None;
        let mut in_vips = false;
        for line in text.lines() {
            let line = line.split(['#', '!']).next().unwrap_or_default();
            let mut words = line.split_whitespace();
            let Some(keyword) = words.next() else { continue };
            let value = words.next().unwrap_or_default();
            let bad = || format!("{keyword} {value}: not understood");
            match (keyword, instance.as_mut()) {
                ("vrrp_instance", _) => {
                    settings.finish(instance.replace(Partial::default()))?;
                }
                ("interval", None) => settings.check_interval = seconds(value).with_context(bad)?,
                ("fall", None) => settings.fall = value.parse().with_context(bad)?,
                ("virtual_router_id", Some(found)) => found.vrid = Some(value.parse().with_context(bad)?),
                ("priority", Some(found)) => found.priority = Some(value.parse().with_context(bad)?),
                ("advert_int", Some(found)) => {
                    found.advert_interval = Some(seconds(value).with_context(bad)?);
                }
                ("virtual_ipaddress", _) => in_vips = true,
                ("}", _) => in_vips = false,
                (address, Some(found)) if in_vips && found.vip.is_none() => {
                    let address = address.split('/').next().unwrap_or_default();
                    found.vip = Some(address.parse().with_context(bad)?);
                }
                _ => {}
            }
        }
        settings.finish(instance)?;
        Ok(settings)
    }

    fn finish(&mut self, instance: Option<Partial>) -> Result<()> {
        if let Some(found) = instance {
            self.instances.push(Instance {
                vrid: found.vrid.context("an instance without virtual_router_id")?,
                priority: found.priority.context("an instance without priority")?,
                advert_interval: found.advert_interval.context("an instance without advert_int")?,
                vip: found.vip.context("an instance without virtual_ipaddress")?,
            });
        }
        Ok(())
    }
}

impl Instance {
    /// Skew_Time of version 3: (256 - priority) * interval / 256 (RFC 9568 section 6.1).
    pub(super) fn skew(&self) -> Duration {
        self.advert_interval * (256 - u32::from(self.priority)) / 256
    }

    /// Master_Down_Interval: how long this node waits for a silent master.
    pub(super) fn master_down(&self) -> Duration {
        self.advert_interval * 3 + self.skew()
    }
}

fn seconds(value: &str) -> Result<Duration> {
    Ok(Duration::try_from_secs_f64(value.parse()?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_bounds_need() {
        let text = "! two instances\nvrrp_script c {\n script \"/bin/true\"\n interval 2 # seconds\n fall 3\n rise 4\n}\n\
                    vrrp_instance A {\n virtual_router_id 51\n priority 100\n advert_int 0.1\n virtual_ipaddress {\n\
                    10.0.0.1/24 dev eth0\n 10.0.0.9/24\n }\n}\n\
                    vrrp_instance B {\n virtual_router_id 52\n priority 150\n advert_int 1\n virtual_ipaddress {\n fd77::1\n }\n}\n";
        let settings = Settings::read(text).unwrap();
        assert_eq!((settings.check_interval, settings.fall), (Duration::from_secs(2), 3));
        let [a, b] = &settings.instances[..] else { panic!("two instances: {settings:?}") };
        assert_eq!((a.vrid, a.vip.to_string()), (51, "10.0.0.1".to_owned()));
        assert_eq!(a.master_down(), Duration::from_micros(360_937) + Duration::from_nanos(500));
        assert_eq!((b.vrid, b.vip.to_string()), (52, "fd77::1".to_owned()));
        assert_eq!(b.skew(), Duration::from_nanos(414_062_500));
    }

    #[test]
    fn an_instance_without_its_numbers_is_an_error() {
        let error = Settings::read("vrrp_instance A {\n virtual_router_id 51\n}\n").unwrap_err();
        assert_eq!(error.to_string(), "an instance without priority");
    }
}
