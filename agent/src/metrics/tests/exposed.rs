//! What is exposed is what is documented, and what keepalived-exporter's users know.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

/// The documentation.
const DOCUMENT: &str = include_str!("../../../../docs/metrics.md");

/// A metric: type, labels, help.
type Facts = (String, BTreeSet<String>, String);

/// A line of samples as its name and its labels with their values.
fn parse(line: &str) -> (String, Vec<(String, String)>, String) {
    let (name, rest) = line.split_at(line.find(['{', ' ']).expect("a name"));
    let Some(mut rest) = rest.strip_prefix('{') else {
        return (name.to_owned(), Vec::new(), rest.trim().to_owned());
    };
    let mut labels = Vec::new();
    while let Some((key, value)) = rest.split_once("=\"") {
        let mut end = 0;
        let bytes = value.as_bytes();
        while bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        labels.push((key.trim_start_matches(',').to_owned(), value[..end].to_owned()));
        rest = &value[end + 1..];
        if let Some(value) = rest.strip_prefix("} ") {
            return (name.to_owned(), labels, value.to_owned());
        }
    }
    panic!("{line}");
}

/// Every metric of a text by the name that a query has for it.
fn exposed(text: &str) -> BTreeMap<String, Facts> {
    let mut found: BTreeMap<String, Facts> = BTreeMap::new();
    let mut help = String::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(words) = line.strip_prefix("# HELP ") {
            words.split_once(' ').expect("help").1.clone_into(&mut help);
        } else if let Some(words) = line.strip_prefix("# TYPE ") {
            let (name, kind) = words.split_once(' ').expect("a type");
            let suffix = match kind {
                "counter" => "_total",
                "info" => "_info",
                _ => "",
            };
            current = format!("{name}{suffix}");
            let known = found.insert(current.clone(), (kind.to_owned(), BTreeSet::new(), help.clone()));
            assert!(known.is_none(), "{current} is there twice");
        } else if line != "# EOF" {
            let (name, labels, value) = parse(line);
            assert!(name.starts_with(&current), "{name} is below {current}");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let facts = found.get_mut(&current).expect("its type came first");
            facts.1.extend(labels.into_iter().map(|(key, _)| key).filter(|key| key != "le"));
        }
    }
    found
}

/// The same as the document has it: lines of `| name | type | labels | meaning |`.
fn documented() -> BTreeMap<String, Facts> {
    let rows = DOCUMENT.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [name, kind, labels, meaning] = cells.as_slice() else { panic!("{row}") };
        let bare = |text: &str| text.trim_matches('`').to_owned();
        let labels = labels.split(", ").map(bare).filter(|label| !label.is_empty()).collect();
        (bare(name), ((*kind).to_owned(), labels, (*meaning).to_owned()))
    })
    .collect()
}

#[test]
fn the_document_lists_every_metric_and_no_other() {
    let exposed = exposed(&text(sample(), Some(Compat::Keepalived)));
    let documented = documented();
    let missing: Vec<String> = exposed
        .iter()
        .filter(|(name, facts)| documented.get(*name) != Some(facts))
        .map(|(name, (kind, labels, help))| {
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            format!("| `{name}` | {kind} | {} | {help} |", labels.join(", "))
        })
        .collect();
    assert!(missing.is_empty(), "docs/metrics.md lacks\n{}", missing.join("\n"));
    let invented: Vec<&String> = documented.keys().filter(|name| !exposed.contains_key(*name)).collect();
    assert!(invented.is_empty(), "docs/metrics.md has {invented:?}");
}

#[test]
fn every_metric_has_a_sample_and_a_name_of_its_kind() {
    let text = text(sample(), Some(Compat::Keepalived));
    assert!(text.ends_with("# EOF\n"));
    for (name, (kind, _, help)) in exposed(&text) {
        let base = name.trim_end_matches("_total").trim_end_matches("_info");
        let has = text.lines().any(|line| !line.starts_with('#') && line.starts_with(base));
        assert!(has && !help.is_empty(), "{name}");
        let prefixes = ["vipward_", "process_", "keepalived_"];
        assert!(prefixes.iter().any(|prefix| name.starts_with(prefix)), "{name}");
        assert!(kind != "histogram" || name.ends_with("_seconds"), "{name}: a histogram without its unit");
    }
}

/// Names and labels that dashboards of keepalived-exporter query.
const ADDRESS: [&str; 4] = ["iname", "intf", "ip_address", "vrid"];
const INSTANCE: [&str; 3] = ["iname", "intf", "vrid"];
const KEEPALIVED: [(&str, &[&str]); 21] = [
    ("keepalived_up", &[]),
    ("keepalived_vrrp_state", &ADDRESS),
    ("keepalived_vrrp_excluded_state", &ADDRESS),
    ("keepalived_exporter_check_script_status", &ADDRESS),
    ("keepalived_gratuitous_arp_delay_total", &INSTANCE),
    ("keepalived_advertisements_received_total", &INSTANCE),
    ("keepalived_advertisements_sent_total", &INSTANCE),
    ("keepalived_become_master_total", &INSTANCE),
    ("keepalived_release_master_total", &INSTANCE),
    ("keepalived_packet_length_errors_total", &INSTANCE),
    ("keepalived_advertisements_interval_errors_total", &INSTANCE),
    ("keepalived_ip_ttl_errors_total", &INSTANCE),
    ("keepalived_invalid_type_received_total", &INSTANCE),
    ("keepalived_address_list_errors_total", &INSTANCE),
    ("keepalived_authentication_invalid_total", &INSTANCE),
    ("keepalived_authentication_mismatch_total", &INSTANCE),
    ("keepalived_authentication_failure_total", &INSTANCE),
    ("keepalived_priority_zero_received_total", &INSTANCE),
    ("keepalived_priority_zero_sent_total", &INSTANCE),
    ("keepalived_script_status", &["name"]),
    ("keepalived_script_state", &["name"]),
];

#[test]
fn compat_has_exactly_the_names_and_labels_of_the_exporter() {
    let exposed = exposed(&text(sample(), Some(Compat::Keepalived)));
    let ours: BTreeMap<String, BTreeSet<String>> = exposed
        .into_iter()
        .filter(|(name, _)| name.starts_with("keepalived_"))
        .map(|(name, (_, labels, _))| (name, labels))
        .collect();
    let theirs: BTreeMap<String, BTreeSet<String>> = KEEPALIVED
        .into_iter()
        .map(|(name, labels)| (name.to_owned(), labels.iter().map(ToString::to_string).collect()))
        .collect();
    assert_eq!(ours, theirs);
    assert!(!text(sample(), None).contains("keepalived_"), "nobody asked for them");
}

#[test]
fn compat_has_the_values_of_the_exporter() {
    let mut observation = sample();
    observation.status.instances[0].adverts_rejected_by =
        [("length", 2), ("interval", 3), ("ttl", 4), ("type", 5), ("auth_type", 6), ("auth_data", 7)]
            .map(|(label, count)| (label.to_owned(), count))
            .into();
    let text = text(observation, Some(Compat::Keepalived));
    let web = "iname=\"VI_1\",intf=\"eth0\",vrid=\"51\"";
    for expected in [
        "keepalived_up 1".to_owned(),
        format!("keepalived_vrrp_state{{{web},ip_address=\"192.0.2.10/24\"}} 2"),
        format!("keepalived_vrrp_state{{{web},ip_address=\"192.0.2.11\"}} 2"),
        "keepalived_vrrp_excluded_state{iname=\"VI_1\",intf=\"eth1\",vrid=\"51\",ip_address=\"192.0.2.12/24\"} 2"
            .to_owned(),
        "keepalived_vrrp_state{iname=\"database\",intf=\"bond0.100\",vrid=\"7\",ip_address=\"fe80::10/64\"} 3"
            .to_owned(),
        format!("keepalived_exporter_check_script_status{{{web},ip_address=\"192.0.2.11\"}} 1"),
        "keepalived_exporter_check_script_status{iname=\"database\",intf=\"bond0.100\",vrid=\"7\",\
         ip_address=\"fe80::10/64\"} 0"
            .to_owned(),
        format!("keepalived_gratuitous_arp_delay_total{{{web}}} 5"),
        format!("keepalived_advertisements_received_total{{{web}}} 7"),
        format!("keepalived_advertisements_sent_total{{{web}}} 99"),
        format!("keepalived_become_master_total{{{web}}} 1"),
        format!("keepalived_release_master_total{{{web}}} 0"),
        format!("keepalived_packet_length_errors_total{{{web}}} 2"),
        format!("keepalived_advertisements_interval_errors_total{{{web}}} 3"),
        format!("keepalived_ip_ttl_errors_total{{{web}}} 4"),
        format!("keepalived_invalid_type_received_total{{{web}}} 5"),
        format!("keepalived_authentication_mismatch_total{{{web}}} 6"),
        format!("keepalived_authentication_failure_total{{{web}}} 7"),
        format!("keepalived_authentication_invalid_total{{{web}}} 0"),
        format!("keepalived_priority_zero_received_total{{{web}}} 1"),
        "keepalived_release_master_total{iname=\"database\",intf=\"bond0.100\",vrid=\"7\"} 1".to_owned(),
        "keepalived_address_list_errors_total{iname=\"database\",intf=\"bond0.100\",vrid=\"7\"} 3".to_owned(),
        "keepalived_script_status{name=\"chk_db\"} 0".to_owned(),
        "keepalived_script_state{name=\"chk_db\"} 0".to_owned(),
    ] {
        assert!(text.lines().any(|line| line == expected), "{expected} in\n{text}");
    }
}

#[test]
fn what_names_and_reasons_hold_stays_in_its_label() {
    let hostile = "a\"} 1\nvipward_up{x=\"\\";
    let mut observation = sample();
    observation.status.instances[0].name = hostile.into();
    observation.status.instances[1].datapath_reason = Some(hostile.into());
    observation.status.resources[0].name = hostile.into();
    let text = text(observation, None);
    // Reads every line, and finds no metric that was not there before.
    assert_eq!(exposed(&text).keys().count(), exposed(&super::text(sample(), None)).keys().count());
    assert!(text.contains(r#"name="a\"} 1\nvipward_up{x=\"\\""#), "{text}");
}

#[test]
fn values_are_the_observation_s() {
    let text = text(sample(), None);
    for expected in [
        "vipward_build_info{version=\"0.1.0\"} 1",
        "vipward_instance_info{name=\"VI_1\",interface=\"eth0\",family=\"ipv4\",vrid=\"51\"} 1",
        "vipward_instance_state{name=\"VI_1\"} 2",
        "vipward_instance_effective_priority{name=\"database\"} 80",
        "vipward_instance_transitions_total{name=\"VI_1\",to=\"MASTER\",cause=\"master_silent\"} 1",
        "vipward_adverts_rejected_total{name=\"database\",reason=\"unknown_peer\"} 10",
        "vipward_adverts_rejected_total{name=\"database\",reason=\"checksum\"} 0",
        "vipward_fenced_packets_total{name=\"database\",kind=\"arp\"} 5",
        "vipward_lease_available{name=\"VI_1\",reason=\"\"} 1",
        "vipward_lease_remaining_seconds{name=\"VI_1\"} 2.5",
        "vipward_last_advert_age_seconds{name=\"VI_1\"} 12.5",
        "vipward_script_runs_total{script=\"chk_db\"} 1",
        "vipward_script_up{script=\"chk_db\"} 0",
        "vipward_reloads_total{resource=\"www.toml\",result=\"rolled_back\"} 1",
        "vipward_render_last_success_timestamp_seconds{resource=\"www.toml\"} 1700000000.123",
        "vipward_store_connected 1",
        "vipward_http_requests_total{code=\"200\"} 1",
        "process_start_time_seconds 1700000000.0",
    ] {
        assert!(text.lines().any(|line| line == expected), "{expected} in\n{text}");
    }
}
